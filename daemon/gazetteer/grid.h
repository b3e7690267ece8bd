/*
 * grid.h - distances on the British National Grid (EPSG:27700), in integers.
 *
 * Owns: arithmetic that must give the same answer on every machine (design 4.7): whole metres, rounded down, no
 * floating point. Thread: any; no state.
 */
#ifndef VACANCY_GAZETTEER_GRID_H
#define VACANCY_GAZETTEER_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Great Britain lies inside these; points outside are not places. */
#define GRID_EASTING_MAX_M  700000
#define GRID_NORTHING_MAX_M 1300000

static inline bool grid_holds(int32_t easting_m, int32_t northing_m)
{
    return easting_m >= 0 && easting_m < GRID_EASTING_MAX_M && northing_m >= 0 && northing_m < GRID_NORTHING_MAX_M;
}

/* The straight line between two points, whole metres rounded down. Any int32 coordinates. */
uint32_t grid_distance_metres(int32_t e1_m, int32_t n1_m, int32_t e2_m, int32_t n2_m);

/* Metres to tenths of a statute mile (1,609.344 m), rounded half up; and back to metres, rounded half up. */
uint32_t grid_tenths_of_mile(uint32_t metres);
uint64_t grid_metres_of_tenths(uint32_t tenths_of_mile);

#define MILES_TEXT_BYTES 16
/* "12.3" */
void grid_format_miles(uint32_t metres, char out[MILES_TEXT_BYTES]);

#endif
