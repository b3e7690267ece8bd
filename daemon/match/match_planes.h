/*
 * match_planes.h - sets of offers and numbers of offers as bit planes: one operation on a word for LANES offers at
 * once. For match_rules.c alone.
 *
 * Owns: the arithmetic. Not here: what the planes mean (match_rules.h). Thread: any; pure.
 * Invariant: lane n is bit n of every word; a lane without an offer has some answer, which nobody may believe.
 */
#ifndef VACANCY_MATCH_MATCH_PLANES_H
#define VACANCY_MATCH_MATCH_PLANES_H

#include "daemon/match/match_rules.h"

#include <string.h>

static inline lanes all(bool condition)
{
    return condition ? ~UINT64_C(0) : 0;
}

static inline lanes choose(lanes where, lanes there, lanes elsewhere)
{
    return elsewhere ^ (where & (there ^ elsewhere));
}

/* Those whose number is less than `value`: from the lowest bit up, a bit that differs overrules all below it. */
static inline lanes below(const lanes *planes, uint32_t bits, uint32_t value)
{
    lanes met = 0;
    for (uint32_t i = 0; i < bits; i++)
        met = value >> i & 1 ? met | ~planes[i] : met & ~planes[i];
    return met;
}

static inline lanes at_most(const lanes *planes, uint32_t bits, uint32_t value)
{
    return below(planes, bits, value + 1);
}

/* Those who have one of these codes. */
static inline lanes with_any(const lanes *planes, uint32_t end, uint32_t codes)
{
    lanes met = 0;
    for (codes &= (1u << end) - 1; codes != 0; codes &= codes - 1)
        met |= planes[__builtin_ctz(codes)];
    return met;
}

static inline lanes with_every(const lanes *planes, uint32_t end, uint32_t codes)
{
    lanes met = all(codes < (1u << end));
    for (codes &= (1u << end) - 1; codes != 0; codes &= codes - 1)
        met &= planes[__builtin_ctz(codes)];
    return met;
}

static inline struct number number_of(const lanes planes[NUMBER_BITS])
{
    struct number number;
    memcpy(number.bit, planes, sizeof number.bit);
    return number;
}

static inline struct number same_number(uint32_t value)
{
    struct number number;
    for (uint32_t i = 0; i < NUMBER_BITS; i++)
        number.bit[i] = all(value >> i & 1);
    return number;
}

static inline lanes is_some(struct number number)
{
    return number.bit[0] | number.bit[1] | number.bit[2] | number.bit[3];
}

static inline lanes is_more_than_one(struct number number)
{
    return number.bit[1] | number.bit[2] | number.bit[3];
}

static inline lanes is_less(struct number a, struct number b)
{
    lanes met = 0;
    for (uint32_t i = 0; i < NUMBER_BITS; i++)
        met = (~a.bit[i] & b.bit[i]) | (met & ~(a.bit[i] ^ b.bit[i]));
    return met;
}

static inline struct number number_choose(lanes where, struct number there, struct number elsewhere)
{
    for (uint32_t i = 0; i < NUMBER_BITS; i++)
        there.bit[i] = choose(where, there.bit[i], elsewhere.bit[i]);
    return there;
}

static inline struct number least(struct number a, struct number b)
{
    return number_choose(is_less(a, b), a, b);
}

static inline struct number plus(struct number a, struct number b)
{
    lanes carry = 0;
    for (uint32_t i = 0; i < NUMBER_BITS; i++) {
        lanes sum = a.bit[i] ^ b.bit[i] ^ carry;
        carry = (a.bit[i] & b.bit[i]) | (carry & (a.bit[i] ^ b.bit[i]));
        a.bit[i] = sum;
    }
    return a;
}

/* b is nowhere more than a. */
static inline struct number minus(struct number a, struct number b)
{
    lanes borrow = 0;
    for (uint32_t i = 0; i < NUMBER_BITS; i++) {
        lanes difference = a.bit[i] ^ b.bit[i] ^ borrow;
        borrow = (~a.bit[i] & b.bit[i]) | (borrow & ~(a.bit[i] ^ b.bit[i]));
        a.bit[i] = difference;
    }
    return a;
}

static inline void add_one(struct number *number, lanes where)
{
    for (uint32_t i = 0; i < NUMBER_BITS; i++) {
        lanes carry = number->bit[i] & where;
        number->bit[i] ^= where;
        where = carry;
    }
}

#endif
