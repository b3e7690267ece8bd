/*
 * said.h - what a hub says, as this program's people say it.
 *
 * A hub speaks to every client: it names methods, codes and moments in UTC. Here methods are commands, codes are
 * written as options take them, and moments are local time. Owns: the words for that. Not here: fields (option_field of
 * the command). Thread: any; no state. Invariant: all else of the text stays as it is.
 */
#ifndef VACANCY_CLIENT_SAID_H
#define VACANCY_CLIENT_SAID_H

/* malloc'd. */
char *said_text(const char *text);

#endif
