/*
 * print_states.c - prints docs/states.md from the tables of daemon/record/states.h.
 *
 *     build/plain/tests/print_states > docs/states.md      (make states)
 *
 * Owns: the words around the tables. tests/lint/test_states.py holds the committed file against what this prints.
 */
#include "daemon/record/states.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char head[] = "# States of a vacancy and of a hold\n"
                           "\n"
                           "Printed by `tests/states/print_states.c` from the tables in `daemon/record/states.c`, by "
                           "which the register decides:\n"
                           "what has no row here is refused with FAILED_PRECONDITION, and the message says the state "
                           "and who may do what next.\n"
                           "After a change of the tables: `make states`.\n"
                           "\n"
                           "Beds are counted. Of a vacancy's beds some are *held* (ACTIVE and ACCEPTED holds) and some "
                           "are *placed*; *free* are the\n"
                           "others, but never more than there are places for which no child is placed and no team "
                           "holds a bed. So a vacancy of two\n"
                           "beds carries two holds, and stays VACANT while a bed is free.\n";

static const char of_vacancy[] =
    "\n"
    "## A vacancy\n"
    "\n"
    "The agency states VACANT, RESERVED or NOT_AVAILABLE; HELD and PLACED are what holds and placements make of VACANT "
    "when\n"
    "no bed is free; LAPSED is what the hub makes of one that nobody confirmed for long (`lapse-after` and\n"
    "`lapse-emergency` in vacancyd.conf(5)), unless all its beds are placed. Before that it is *stale*: it keeps its "
    "state\n"
    "and its beds, is shown in the list to phone first, and no team may hold it before it was confirmed. A report that "
    "it\n"
    "is not available makes it stale at once.\n";

static const char of_hold[] =
    "\n"
    "## A hold\n"
    "\n"
    "A placement team's exclusive claim on beds of one vacancy. Its end is reckoned on the "
    "home hub's lease clock, which no\n"
    "step of the wall clock moves. A team has at most one live hold on a vacancy.\n"
    "\n"
    "PLACED it stays until its vacancy ends. A placement that never began is taken back, by "
    "its team (`ReleaseHold` with\n"
    "`placement_did_not_begin`) or its agency (`DeclineHold`, PLACEMENT_DID_NOT_BEGIN), as long "
    "as no push of the carer has\n"
    "listed any of its children: the beds are free again, and the children count no more.\n";

static const char *actors(unsigned set, char out[64])
{
    out[0] = '\0';
    if (set & ACTOR_TEAM)
        strcat(out, "team");
    if (set & ACTOR_AGENCY)
        strcat(strcat(out, out[0] ? ", " : ""), "agency");
    if (set & ACTOR_HUB)
        strcat(strcat(out, out[0] ? ", " : ""), "home hub");
    return out;
}

/* In a diagram what is not live is its begin and end. */
static const char *drawn(const struct state_machine *machine, unsigned state)
{
    return state == 0 ? "[*]" : machine->states[state];
}

/* One arrow from a state to another, with every event that takes it; *done marks the rows that it stands for. */
static void print_arrow(const struct state_machine *machine, uint32_t first, bool *done)
{
    const struct transition *row = &machine->rows[first];
    printf("    %s --> %s: ", drawn(machine, row->from), drawn(machine, row->to));
    for (uint32_t i = first; i < machine->count; i++) {
        const struct transition *other = &machine->rows[i];
        if (other->from != row->from || other->to != row->to)
            continue;
        printf("%s%s", i == first ? "" : " / ", machine->events[other->event]);
        done[i] = true;
    }
    printf("\n");
}

/* Ended holds have no row out of them: the arrow to the end is drawn all the same. */
static void print_ends(const struct state_machine *machine)
{
    for (unsigned state = 1; state < machine->state_end; state++) {
        bool left = false;
        for (uint32_t i = 0; i < machine->count; i++)
            left = left || machine->rows[i].from == state;
        if (!left)
            printf("    %s --> [*]\n", machine->states[state]);
    }
}

static void print_diagram(const struct state_machine *machine)
{
    bool done[256] = {false};
    printf("\n```mermaid\nstateDiagram-v2\n");
    for (uint32_t i = 0; i < machine->count; i++)
        if (!done[i] && machine->rows[i].from != machine->rows[i].to)
            print_arrow(machine, i, done);
    print_ends(machine);
    printf("```\n");
}

static void print_table(const struct state_machine *machine)
{
    printf("\n| from | what | who | by | to | when |\n|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < machine->count; i++) {
        const struct transition *row = &machine->rows[i];
        const char *method = machine->methods[row->event];
        char who[64];
        printf("| %s | %s | %s | %s%s%s | %s | %s |\n", machine->states[row->from], machine->events[row->event],
               actors(row->actor, who), method ? "`" : "", method ? method : "time", method ? "`" : "",
               machine->states[row->to], row->when);
    }
}

/* What a caller is told who asks for something else. */
static void print_refusals(const struct state_machine *machine)
{
    printf("\nWhat a refusal says:\n\n");
    for (unsigned state = 0; state < machine->state_end; state++) {
        struct problem problem = {0};
        (void)states_check(machine, state, 0, "", &problem); /* event 0 is none: always refused */
        printf("- %s\n", problem.text);
    }
}

int main(void)
{
    fputs(head, stdout);
    fputs(of_vacancy, stdout);
    print_diagram(&vacancy_states);
    print_table(&vacancy_states);
    print_refusals(&vacancy_states);
    fputs(of_hold, stdout);
    print_diagram(&hold_states);
    print_table(&hold_states);
    print_refusals(&hold_states);
    return fflush(stdout) == 0 ? 0 : 1;
}
