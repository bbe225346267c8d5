/* Includes the solvers for all numbers of lanes. */
#define LANES 1
#include "_blocks_solver.h"
#undef LANES
#define LANES 4
#include "_blocks_solver.h"
#undef LANES
#define LANES 8
#include "_blocks_solver.h"
#undef LANES
#define LANES 16
#include "_blocks_solver.h"
#undef LANES
