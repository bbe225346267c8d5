/* Includes the work for both types of numbers: strips of four parts, each of 64 bytes. */
#define REAL float
#define PART 16
#include "_steps_strips.h"
#undef REAL
#undef PART

#define REAL double
#define PART 8
#include "_steps_strips.h"
#undef REAL
#undef PART
