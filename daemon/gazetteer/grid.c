/* grid.c - see grid.h. No floating point anywhere in this file. Thread: any. */
#include "daemon/gazetteer/grid.h"

#include <stdio.h>

static uint32_t square_root(uint64_t value)
{
    uint64_t root = 0;
    if (value == 0)
        return 0;
    /* From the highest power of 4 in it down. */
    for (uint64_t bit = UINT64_C(1) << ((63 - __builtin_clzll(value)) & ~1); bit; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return (uint32_t)root;
}

uint32_t grid_distance_metres(int32_t e1_m, int32_t n1_m, int32_t e2_m, int32_t n2_m)
{
    int64_t east = (int64_t)e1_m - e2_m, north = (int64_t)n1_m - n2_m;
    uint64_t width = (uint64_t)(east < 0 ? -east : east), height = (uint64_t)(north < 0 ? -north : north);
    uint64_t sum;
    /* Only coordinates that no place has can pass 64 bits. */
    if (__builtin_add_overflow(width * width, height * height, &sum))
        return UINT32_MAX;
    return square_root(sum);
}

uint32_t grid_tenths_of_mile(uint32_t metres)
{
    return (uint32_t)(((uint64_t)metres * 10000 + 804672) / 1609344);
}

uint64_t grid_metres_of_tenths(uint32_t tenths_of_mile)
{
    return ((uint64_t)tenths_of_mile * 1609344 + 5000) / 10000;
}

void grid_format_miles(uint32_t metres, char out[MILES_TEXT_BYTES])
{
    uint32_t tenths = grid_tenths_of_mile(metres);
    snprintf(out, MILES_TEXT_BYTES, "%u.%u", tenths / 10, tenths % 10);
}
