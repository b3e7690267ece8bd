/*
 * exit_code.h - how the client ends, for scripts. The one list: --help and vacancy(1) say the same.
 * Thread: any; no state.
 */
#ifndef VACANCY_CLIENT_EXIT_CODE_H
#define VACANCY_CLIENT_EXIT_CODE_H

#include "daemon/base/error.h"

#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,        /* all of it was done */
    EXIT_PARTLY = 1,      /* some lines were rejected; a search found nothing that suits; --replicated got LOCAL */
    EXIT_USAGE = 2,       /* the command line, the settings or a file can't be understood */
    EXIT_REFUSED = 3,     /* the hub refused the request, or its certificate is not to be trusted */
    EXIT_UNAVAILABLE = 4, /* the hub can't be reached, can't answer now, or it isn't known whether it was done */
    EXIT_UNVERIFIED = 5,  /* the audit trail, a region or a backup does not prove what it should */
};

/* What a failed call ends with: EXIT_UNAVAILABLE when trying again may help, else EXIT_REFUSED. */
enum exit_code exit_code_of_call(enum err err);
void exit_code_print(FILE *out);

#endif
