/*
 * exit_code.c - the exit codes, their words, and which one a failed call gives.
 * Owns no state. Any thread.
 */
#include "client/exit_code.h"

static const struct {
    enum exit_code code;
    const char *words;
} codes[] = {
    {EXIT_DONE, "done"},
    {EXIT_PARTLY, "some of it was rejected, nothing suits, or --replicated was not reached"},
    {EXIT_USAGE, "the command line, the settings or the file can't be understood"},
    {EXIT_REFUSED, "the hub refused, or is not to be trusted"},
    {EXIT_UNAVAILABLE, "the hub can't be reached or can't answer now, or it is not known whether it was done"},
    {EXIT_UNVERIFIED, "it does not verify: the audit trail, a region's state, a backup"},
};

enum exit_code exit_code_of_call(enum err err)
{
    switch (err) {
    case ERR_NONE:
        return EXIT_DONE;
    case ERR_UNAVAILABLE:
    case ERR_DEADLINE:
    case ERR_CANCELLED:
        return EXIT_UNAVAILABLE;
    default:
        return EXIT_REFUSED;
    }
}

void exit_code_print(FILE *out)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        fprintf(out, "  %d  %s\n", codes[i].code, codes[i].words);
}
