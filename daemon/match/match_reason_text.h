/*
 * match_reason_text.h - how a reason is written: the builder that match_reasons.c (the MUSTs, and all of them) and
 * match_reasons_should.c (the SHOULDs) share. Private to those two.
 * Thread: any; pure. Invariant: no text is longer than REASON_TEXT_BYTES; a longer one is cut.
 */
#ifndef VACANCY_MATCH_MATCH_REASON_TEXT_H
#define VACANCY_MATCH_MATCH_REASON_TEXT_H

#include "daemon/gazetteer/grid.h"
#include "daemon/match/match_reasons.h"

#include <string.h>

/*
 * Reasons are written one after the other: asked, then found. Texts stand one behind the other as they will in the
 * arena:
 *
 *     text [ asked 0 found 0 asked 0 found ... ]
 *                            begun ^     ^ end
 */
struct builder {
    const struct asked *asked;
    const struct gazetteer *gazetteer;
    const struct option *option;
    uint32_t overridden, failed, count;
    char *begun, *end, *stop; /* of the text that is being written, and where it must end */
    struct reason reasons[RULE_END];
    char text[2 * RULE_END * REASON_TEXT_BYTES];
};

/* Words that both files need. */
extern const char *const reason_care_words[CARE_TYPE_END], *const reason_feature_words[HOME_FEATURE_END];

/* Every SHOULD that is asked for or always reported. */
void reasons_add_shoulds(struct builder *b);

/* --- writing --------------------------------------------------------------------------------------------------- */

/* What is too much is cut. */
static inline __attribute__((always_inline)) void add(struct builder *b, const char *text, size_t bytes)
{
    size_t room = (size_t)(b->stop - b->end);
    if (bytes <= room) {
        memcpy(b->end, text, bytes);
        b->end += bytes;
    } else {
        memcpy(b->end, text, room);
        b->end = b->stop;
    }
}

/* Of a literal the length is known before: these run a hundred times for each option. */
static inline __attribute__((always_inline)) void add_text(struct builder *b, const char *text)
{
    add(b, text, strlen(text));
}

static inline void add_number(struct builder *b, uint32_t number)
{
    char digits[] = "4294967295", *end = digits + sizeof digits - 1, *digit = end;
    do
        *--digit = (char)('0' + number % 10);
    while (number /= 10);
    add(b, digit, (size_t)(end - digit));
}

/* SAY(b, piece, ...): up to eight pieces, each a text or a number. */
#define SAY_PIECE(b, piece)                                                                                            \
    _Generic((piece), char * : add_text, const char * : add_text, default : add_number)(b, piece)
#define SAY_1(b, piece)                                     SAY_PIECE(b, piece)
#define SAY_2(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_1(b, __VA_ARGS__))
#define SAY_3(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_2(b, __VA_ARGS__))
#define SAY_4(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_3(b, __VA_ARGS__))
#define SAY_5(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_4(b, __VA_ARGS__))
#define SAY_6(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_5(b, __VA_ARGS__))
#define SAY_7(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_6(b, __VA_ARGS__))
#define SAY_8(b, piece, ...)                                (SAY_PIECE(b, piece), SAY_7(b, __VA_ARGS__))
#define SAY_THESE(_1, _2, _3, _4, _5, _6, _7, _8, say, ...) say
#define SAY(b, ...)                                         SAY_THESE(__VA_ARGS__, SAY_8, SAY_7, SAY_6, SAY_5, SAY_4, SAY_3, SAY_2, SAY_1, 0)(b, __VA_ARGS__)

static inline void next_text(struct builder *b)
{
    *b->end++ = '\0';
    b->begun = b->end;
    b->stop = b->begun + REASON_TEXT_BYTES - 1;
}

/* From here on it is about another rule, and what was asked; then what was found. */
static inline struct reason *begin(struct builder *b, enum rule rule, enum rule_outcome outcome)
{
    struct reason *reason = &b->reasons[b->count++];
    next_text(b);
    *reason = (struct reason){.rule = rule, .outcome = outcome, .asked = b->begun};
    return reason;
}
static inline void found(struct builder *b)
{
    next_text(b);
    b->reasons[b->count - 1].found = b->begun;
}

static inline void say_codes(struct builder *b, uint32_t codes, const char *const *words, uint32_t end)
{
    const char *between = "";
    for (uint32_t code = 1; code < end; code++) {
        if (!code_in(codes, code))
            continue;
        SAY(b, between, words[code]);
        between = ", ";
    }
    if (*between == '\0')
        SAY(b, "none");
}

/* Of miles: "4.2". */
static inline void say_tenths(struct builder *b, uint32_t metres)
{
    uint32_t tenths = grid_tenths_of_mile(metres);
    SAY(b, tenths / 10, ".", tenths % 10);
}

static inline const char *authority_name(const struct gazetteer *gazetteer, const char *gss)
{
    const struct authority *authority = gazetteer ? gazetteer_authority(gazetteer, gss) : NULL;
    return authority ? authority->name : gss;
}
#endif
