/* Includes the solvers for both types of numbers and all numbers of lanes. */
#define REAL float
#define INTEGER int32_t
#define LOG blocks_log_float
#define TINY 1e-30f
#include "_blocks_lanes.h"
#undef REAL
#undef INTEGER
#undef LOG
#undef TINY

#define REAL double
#define INTEGER int64_t
#define LOG blocks_log_double
#define TINY 1e-290
#include "_blocks_lanes.h"
#undef REAL
#undef INTEGER
#undef LOG
#undef TINY
