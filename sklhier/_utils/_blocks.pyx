# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Compiled solvers of many linear problems over the same rows; see ``_blocks.h``."""

from cython cimport floating
from libc.math cimport exp, fabs, log1p
from libc.stdint cimport int32_t, int64_t, uint16_t, uint64_t


cdef extern from "_blocks.h" nogil:
    ctypedef struct blocks_problem:
        const void *data
        const int32_t *indices
        const int64_t *indptr
        const int64_t *starts
        int64_t n_features
        const int64_t *rows
        int64_t n
        const uint16_t *positive
        const double *costs[2]
        double bias
        double tol
        int32_t max_iter
        uint64_t seed
        int32_t n_lanes
        void *weights
        void *intercepts
        int32_t *n_iter

    int BLOCKS_MOST_LANES
    int blocks_init(int may_be_wide)
    int blocks_width(int n_lanes)
    int64_t blocks_count_columns(
        const int32_t *indices, const int64_t *indptr, const int64_t *rows, int64_t n,
        int32_t *numbers, int32_t *columns, int64_t *starts)
    void blocks_number_columns(
        const int32_t *indices, const int64_t *indptr, const int64_t *rows, int64_t n,
        int64_t n_features, int32_t *numbers, int32_t *columns, int64_t n_columns, int32_t *local)
    int blocks_solve(const blocks_problem *problem, int is_double, int is_logistic)


MOST_LANES = BLOCKS_MOST_LANES


def choose_instructions(bint may_be_wide):
    """Choose the instructions for all later calls; return whether they are AVX2 and FMA."""
    return bool(blocks_init(may_be_wide))


def width_of(int n_lanes):
    """Return how many lanes the weights of so many problems have, at most ``MOST_LANES``."""
    return blocks_width(n_lanes)


def count_columns(
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] rows,
    int32_t[::1] numbers,
    int32_t[::1] columns,
    int64_t[::1] starts,
):
    """Find the columns that occur in some rows, in the order in which they do; return their number.

    Parameters
    ----------
    indices, indptr : memoryview
        Of a CSR matrix.
    rows : memoryview of int64, shape (n,)
        The rows.
    numbers : memoryview of int32, shape (n_features,)
        -1 for each column; :func:`number_columns` has to follow, which sets them back.
    columns : memoryview of int32, shape (n_features + 1,)
        The columns are written here, and a number more.
    starts : memoryview of int64, shape (n + 1,)
        Becomes where each row begins if they stand one after the other.
    """
    cdef int64_t n_columns
    if not rows.shape[0] or not indices.shape[0]:
        starts[:] = 0
        return 0
    with nogil:
        n_columns = blocks_count_columns(
            &indices[0], &indptr[0], &rows[0], rows.shape[0], &numbers[0], &columns[0], &starts[0])
    return n_columns


def number_columns(
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] rows,
    int32_t[::1] numbers,
    int32_t[::1] columns,
    int64_t n_columns,
    int32_t[::1] local,
):
    """Sort the columns found, and write the number of the column of each entry.

    Parameters
    ----------
    indices, indptr, rows, numbers, columns
        As in :func:`count_columns`, whose answer is `n_columns`.
    local : memoryview of int32, shape (n_entries,)
        Becomes the position of each entry's column among those that occur, row by row.
    """
    if not n_columns:
        return
    with nogil:
        blocks_number_columns(
            &indices[0], &indptr[0], &rows[0], rows.shape[0], numbers.shape[0], &numbers[0],
            &columns[0], n_columns, &local[0])


def solve(
    const floating[::1] data,
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] starts,
    const int64_t[::1] rows,
    const uint16_t[::1] positive,
    const double[:, ::1] costs,
    floating[:, ::1] weights,
    floating[::1] intercepts,
    int32_t[::1] n_iter,
    *,
    bint logistic,
    double bias,
    double tol,
    int32_t max_iter,
    uint64_t seed,
):
    """Solve the problems of a block, without Python's lock.

    Parameters
    ----------
    data, indices, indptr : memoryview
        The arrays of a CSR matrix. Without `indices` and `indptr`, dense rows one after the other.
    starts : memoryview of int64, shape (n + 1,), or None
        Where each row that takes part begins in `indices`; None: there it begins as in `data`.
    rows : memoryview of int64, shape (n,)
        Rows that take part.
    positive : memoryview of uint16, shape (n,)
        For each of them a bit for each problem: whether the row is a positive one.
    costs : memoryview of float64, shape (2, n)
        The cost of each of them where it is negative, and where it is positive; above 0.
    weights : memoryview, shape (n_features, width)
        Zeros; becomes the weights.
    intercepts : memoryview, shape (width,)
        Zeros; becomes the weights of the column behind the intercepts.
    n_iter : memoryview of int32, shape (n_problems,)
        Becomes the number of passes; negative where the tolerance was not reached.
    logistic : bool
        Whether the loss is logistic; otherwise squared hinge.
    bias : float
        The value of the column behind the intercepts; 0: there is none.
    tol, max_iter, seed
        Tolerance, most passes, and what the order of rows follows from.
    """
    cdef blocks_problem problem
    cdef int failed
    cdef bint is_double = floating is double
    if not 0 < rows.shape[0] < 2**31:
        raise ValueError(f"The solver takes 1 to {2**31 - 1} rows, got {rows.shape[0]}.")
    problem.data = &data[0] if data.shape[0] else NULL
    problem.indices = &indices[0] if indices is not None and indices.shape[0] else NULL
    problem.indptr = &indptr[0] if indptr is not None else NULL
    problem.starts = &starts[0] if starts is not None else NULL
    problem.n_features = weights.shape[0]
    problem.rows = &rows[0]
    problem.n = rows.shape[0]
    problem.positive = &positive[0]
    problem.costs[0] = &costs[0, 0]
    problem.costs[1] = &costs[1, 0]
    problem.bias = bias
    problem.tol = tol
    problem.max_iter = max_iter
    problem.seed = seed
    problem.n_lanes = n_iter.shape[0]
    problem.weights = &weights[0, 0] if weights.shape[0] else NULL
    problem.intercepts = &intercepts[0]
    problem.n_iter = &n_iter[0]
    with nogil:
        failed = blocks_solve(&problem, is_double, logistic)
    if failed:
        raise MemoryError("the solver of linear problems found no memory")


# -- margins of rows that are left out: see ``linear_model/_left_out.py``, which says the same in Python


def margins_left_out(
    const floating[::1] data,
    const int32_t[::1] indices,
    const int64_t[::1] indptr,
    const int64_t[::1] starts,
    const int64_t[::1] rows,
    const double[:, ::1] signs,
    const floating[:, ::1] weights,
    const floating[::1] intercepts,
    const double[::1] costs,
    double strength,
    double[:, ::1] curvature,
    double[::1] of_intercept,
    double[:, ::1] margins,
):
    """Write the margin of each row by the weights that would have been found without it.

    Parameters
    ----------
    data, indices, indptr, starts, rows
        As in :func:`solve`, sparse.
    signs : memoryview of float64, shape (n, n_problems)
        1 where a row is a positive one of a problem, otherwise -1.
    weights, intercepts : memoryview, shape (n_features, n_problems) and (n_problems,)
        The solution.
    costs : memoryview of float64, shape (n,)
        The cost of each row; its weight times `strength`.
    curvature, of_intercept : memoryview of float64, shape (n_features, n_problems), (n_problems,)
        Ones; for the diagonal of the curvature of the loss.
    margins : memoryview of float64, shape (n, n_problems)
        The margins are written here.
    """
    cdef int64_t n = rows.shape[0], k = signs.shape[1], r, j, t, e, length, first
    cdef double x, square, missing
    cdef double *own
    cdef double *of_column
    cdef const floating *of_weights
    cdef const double *sign
    cdef bint misses
    if not n or not k:
        return
    with nogil:
        for r in range(n):
            e = indptr[rows[r]]
            length = indptr[rows[r] + 1] - e
            first = starts[r] if starts is not None else e
            own, sign = &margins[r, 0], &signs[r, 0]
            for j in range(k):
                own[j] = intercepts[j]
            for t in range(length):
                x = data[e + t]
                of_weights = &weights[indices[first + t], 0]
                for j in range(k):
                    own[j] += x * of_weights[j]
            misses = False
            for j in range(k):
                if sign[j] * own[j] < 1:
                    of_intercept[j] += 2 * costs[r]
                    misses = True
            if misses:
                for t in range(length):
                    square = 2 * costs[r] * data[e + t] * data[e + t]
                    of_column = &curvature[indices[first + t], 0]
                    for j in range(k):
                        of_column[j] += square if sign[j] * own[j] < 1 else 0.0
        for r in range(n):
            e = indptr[rows[r]]
            length = indptr[rows[r] + 1] - e
            first = starts[r] if starts is not None else e
            own, sign = &margins[r, 0], &signs[r, 0]
            for j in range(k):
                missing = 1 - sign[j] * own[j]
                if missing > 0:
                    square = 1 / of_intercept[j]
                    for t in range(length):
                        square += data[e + t] * data[e + t] / curvature[indices[first + t], j]
                    own[j] -= sign[j] * 2 * strength * missing * square


cdef double _loss(
    const double *centres, const double *counts, const double *targets, int64_t n_bins,
    double slope, double offset, const double *prior, const double *precisions
) noexcept nogil:
    cdef double loss, score
    cdef int64_t side, b
    loss = precisions[0] * (slope - prior[0]) * (slope - prior[0]) / 2
    loss += precisions[1] * (offset - prior[1]) * (offset - prior[1]) / 2
    for side in range(2):
        for b in range(side * n_bins, (side + 1) * n_bins):
            if counts[b] > 0:
                score = slope * centres[b] + offset
                loss += counts[b] * (
                    (score if score > 0 else 0.0) + log1p(exp(-fabs(score))) - targets[side] * score
                )
    return loss


cdef void _search(
    const double *centres, const double *counts, const double *targets, int64_t n_bins,
    const double *prior, const double *precisions, bint is_free, int64_t most_steps,
    double tolerance, double *found
) noexcept nogil:
    """Find the best slope, if it is free, and offset by Newton's method."""
    cdef double loss, after, score, proba, slack, curve, of_slope, of_offset, both, mixed, alone
    cdef double step_slope, step_offset, determinant
    cdef int64_t side, b, step, halving
    loss = _loss(centres, counts, targets, n_bins, found[0], found[1], prior, precisions)
    for step in range(most_steps):
        of_slope = precisions[0] * (found[0] - prior[0])
        of_offset = precisions[1] * (found[1] - prior[1])
        both, mixed, alone = precisions[0], 0.0, precisions[1]
        for side in range(2):
            for b in range(side * n_bins, (side + 1) * n_bins):
                if counts[b] > 0:
                    score = found[0] * centres[b] + found[1]
                    proba = 1 / (1 + exp(-score))
                    slack = counts[b] * (proba - targets[side])
                    curve = counts[b] * proba * (1 - proba)
                    of_slope += slack * centres[b]
                    of_offset += slack
                    both += curve * centres[b] * centres[b]
                    mixed += curve * centres[b]
                    alone += curve
        if not is_free:
            of_slope, mixed = 0.0, 0.0
        determinant = both * alone - mixed * mixed
        step_slope = (alone * of_slope - mixed * of_offset) / determinant
        step_offset = (both * of_offset - mixed * of_slope) / determinant
        if fabs(step_slope) <= tolerance and fabs(step_offset) <= tolerance:
            return
        for halving in range(most_steps):
            after = _loss(
                centres, counts, targets, n_bins, found[0] - step_slope, found[1] - step_offset,
                prior, precisions)
            if after <= loss * (1 + 1e-12):
                break
            step_slope, step_offset = step_slope / 2, step_offset / 2
        found[0], found[1], loss = found[0] - step_slope, found[1] - step_offset, after


def platt_scaling(
    const double[:, ::1] margins,
    const double[:, ::1] signs,
    const double[::1] weights,
    const double[::1] prior,
    const double[::1] precisions,
    double reach,
    double least_slope,
    int64_t most_steps,
    double tolerance,
    double[:, :, ::1] bins,
    double[:, ::1] found,
):
    """Write the slope and the offset of the log-odds of each problem.

    Parameters
    ----------
    margins, signs : memoryview of float64, shape (n, n_problems)
        As in :func:`margins_left_out`.
    weights : memoryview of float64, shape (n,)
        Weights of the rows.
    prior, precisions : memoryview of float64, shape (2,)
        Of the slope and the offset.
    reach, least_slope, most_steps, tolerance
        Settings.
    bins : memoryview of float64, shape (2, 2, n_bins)
        Memory: counts and centres of margins, of negative and positive rows.
    found : memoryview of float64, shape (n_problems, 2)
        Slopes and offsets are written here.
    """
    cdef int64_t n = margins.shape[0], n_bins = bins.shape[2], j, r, b, side
    cdef double place, n_negative, n_positive
    cdef double targets[2]
    with nogil:
        for j in range(margins.shape[1]):
            bins[:, :, :] = 0
            for r in range(n):
                place = (margins[r, j] + reach) * (n_bins / (2 * reach))
                b = <int64_t> min(max(place, 0.0), <double> (n_bins - 1))
                side = 1 if signs[r, j] > 0 else 0
                bins[0, side, b] += weights[r]
                bins[1, side, b] += weights[r] * margins[r, j]
            n_negative, n_positive = 0, 0
            for b in range(n_bins):
                n_negative += bins[0, 0, b]
                n_positive += bins[0, 1, b]
                for side in range(2):
                    if bins[0, side, b] > 0:
                        bins[1, side, b] /= bins[0, side, b]
            targets[0] = 1 / (n_negative + 2)
            targets[1] = (n_positive + 1) / (n_positive + 2)
            found[j, 0], found[j, 1] = prior[0], prior[1]
            _search(
                &bins[1, 0, 0], &bins[0, 0, 0], targets, n_bins, &prior[0], &precisions[0], True,
                most_steps, tolerance, &found[j, 0])
            if found[j, 0] < least_slope:
                found[j, 0] = least_slope
                _search(
                    &bins[1, 0, 0], &bins[0, 0, 0], targets, n_bins, &prior[0], &precisions[0],
                    False, most_steps, tolerance, &found[j, 0])
