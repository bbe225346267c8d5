"""Solvers of the linear problems of a target: one for each class, or one for two classes.

Compiled, the problems of a block of classes share each visit of a row. Without compiled solvers
liblinear solves the same problems one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils.parallel import Parallel, delayed

from sklhier._utils import compat
from sklhier._utils.kernels import compiled
from sklhier._utils.typing import Floats, Integers, Rows

__all__ = ["Columns", "Problems", "Solution", "Solver", "Table", "UsedColumns", "solve"]

# Bytes of the weights of a column in a block: a line of memory. A block fetches no more lines for a
# column than one problem does.
_LINE = 64


@dataclass(frozen=True)
class Solver:
    """The settings of a solver.

    Attributes
    ----------
    is_logistic : bool
        Whether the loss is logistic; otherwise squared hinge.
    tol : float
        Stopping tolerance of liblinear.
    max_iter : int
        Most passes over the rows.
    bias : float
        The value of the column behind the intercept; 0: there is no intercept.
    seed : int
        What the order of the rows follows from, of 31 bits.
    """

    is_logistic: bool
    tol: float
    max_iter: int
    bias: float
    seed: int


@dataclass(frozen=True)
class Table:
    """Samples as the compiled solvers take them.

    Attributes
    ----------
    X : CSR matrix or ndarray, shape (n_samples, n_features)
        Finite floats. A sparse one has no entry twice; a dense one is stored row by row.
    data : ndarray of float, shape (n_entries,)
        Its entries, row by row.
    indices : ndarray of int32, shape (n_entries,), or None
        Their columns; None: X is dense.
    indptr : ndarray of int64, shape (n_samples + 1,), or None
        Where rows begin.
    largest : float, default=inf
        What no absolute value of an entry is above.
    """

    X: Any
    data: npt.NDArray[np.floating[Any]]
    indices: npt.NDArray[np.int32] | None
    indptr: npt.NDArray[np.int64] | None
    largest: float = np.inf

    @classmethod
    def of(cls, X: Any) -> Self:
        """Return the table of a matrix; entries are copied only where a cell has several."""
        if not sparse.issparse(X):
            return cls(X, X.reshape(-1), None, None)
        csr: Any = X
        if not csr.has_canonical_format:  # the length of a row is found entry by entry
            csr = csr.copy()
            csr.sum_duplicates()
        indices = csr.indices.astype(np.int32, copy=False)
        return cls(csr, csr.data, indices, csr.indptr.astype(np.int64, copy=False))


@dataclass(frozen=True)
class UsedColumns:
    """The columns that occur in some rows of a sparse table.

    Attributes
    ----------
    columns : ndarray of int32, shape (n_used,)
        Ascending.
    local : ndarray of int32, shape (n_entries,)
        The position among them of the column of each entry, row by row.
    starts : ndarray of int64, shape (n_rows + 1,)
        Where each of the rows begins there.
    """

    columns: npt.NDArray[np.int32]
    local: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]


class Columns:
    """Finds the columns that occur in some rows, with memory that is kept; for one thread.

    Parameters
    ----------
    table : Table
        Sparse.
    """

    def __init__(self, table: Table) -> None:
        n_features = table.X.shape[1]
        self._table = table
        self._numbers = np.full(n_features, -1, dtype=np.int32)
        self._columns = np.empty(n_features + 1, dtype=np.int32)  # one more is written to
        self._local = np.empty(0, dtype=np.int32)

    def used_by(self, rows: Rows) -> UsedColumns:
        """Return the columns that occur in some rows; valid until the next call."""
        kernels: Any = compiled()
        table, starts = self._table, np.empty(len(rows) + 1, dtype=np.int64)
        place = (table.indices, table.indptr, rows, self._numbers, self._columns)
        n_used = kernels.count_columns(*place, starts)
        if starts[-1] > len(self._local):
            self._local = np.empty(starts[-1], dtype=np.int32)
        local = self._local[: starts[-1]]
        kernels.number_columns(*place, n_used, local)
        return UsedColumns(self._columns[:n_used].copy(), local, starts)


@dataclass(frozen=True)
class Problems:
    """Each class against the rest; of two classes the second against the first; or each label.

    Attributes
    ----------
    table : Table
        The samples.
    rows : ndarray of intp, shape (n,)
        The rows that are learnt from, ascending.
    codes : ndarray of int, shape (n,) or (n, n_labels)
        The class of each of them, ``0..n_classes-1``; or whether it has each label, 0 or 1.
    costs : ndarray of float64, shape (n,)
        ``C`` times the weight of each row; above 0.
    of_classes : ndarray of float64, shape (n_classes,)
        Factors of the costs. As in liblinear they apply where a row belongs to the class that stands
        against the rest; with two classes, to all rows. With labels there are none: shape (0,).
    used : UsedColumns, default=None
        The columns that get weights: those that occur. None: all. For compiled solvers alone.
    """

    table: Table
    rows: Rows
    codes: Integers
    costs: Floats
    of_classes: Floats
    used: UsedColumns | None = None

    @property
    def n_classes(self) -> int:
        return len(self.of_classes)

    @property
    def n_columns(self) -> int:
        """Return how many columns get weights."""
        return int(self.table.X.shape[1]) if self.used is None else len(self.used.columns)

    @property
    def numbers(self) -> range:
        """Return the classes that stand against the rest, or the labels."""
        if self.codes.ndim == 2:
            return range(self.codes.shape[1])
        return range(1, 2) if self.n_classes == 2 else range(self.n_classes)

    def costs_by_side(self) -> Floats:
        """Return the cost of each row where it is negative, and where it is positive."""
        if self.codes.ndim == 2:
            return np.array([self.costs, self.costs])
        positive = self.costs * self.of_classes[self.codes]
        return np.array([positive if self.n_classes == 2 else self.costs, positive])

    def positive(self, block: range) -> npt.NDArray[np.uint16]:
        """Return for each row a bit for each problem of a block: whether it is a positive one."""
        if self.codes.ndim == 2:
            own = self.codes[:, block.start : block.stop].astype(np.uint16)
            return np.bitwise_or.reduce(own << np.arange(len(block), dtype=np.uint16), axis=1)
        is_inside = (self.codes >= block.start) & (self.codes < block.stop)
        lanes = np.where(is_inside, self.codes - block.start, 0)
        return np.where(is_inside, 1 << lanes, 0).astype(np.uint16)


@dataclass(frozen=True)
class Solution:
    """What a solver found.

    Attributes
    ----------
    weights : ndarray, shape (n_features, n_problems)
        Of the columns that get weights.
    intercepts : ndarray, shape (n_problems,)
    n_iter : int
        Passes over the rows, the most of a problem.
    has_converged : bool
        Whether every problem reached the tolerance.
    """

    weights: npt.NDArray[np.floating[Any]]
    intercepts: npt.NDArray[np.floating[Any]]
    n_iter: int
    has_converged: bool


def solve(problems: Problems, solver: Solver, n_jobs: int | None) -> Solution:
    """Solve problems in the precision of their X; the same for any number of threads."""
    if compiled() is None:
        return solve_by_liblinear(problems, solver)
    costs = problems.costs_by_side()
    numbers, size = problems.numbers, _LINE // problems.table.data.itemsize
    blocks = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    if len(blocks) == 1:
        found = [_solve_block(problems, solver, costs, blocks[0])]
    else:
        parallel = Parallel(n_jobs=n_jobs, require="sharedmem")
        found = parallel(delayed(_solve_block)(problems, solver, costs, block) for block in blocks)
    n_iter = np.concatenate([of_block for _, _, of_block in found])
    return Solution(
        np.concatenate([weights for weights, _, _ in found], axis=1),
        np.concatenate([intercepts for _, intercepts, _ in found]),
        int(np.abs(n_iter).max()),
        bool((n_iter > 0).all()),
    )


def _aligned_zeros(shape: tuple[int, int], dtype: np.dtype[Any]) -> Any:
    """Return zeros that begin where a line of the cache begins, so that no row takes two of them."""
    n_bytes = shape[0] * shape[1] * dtype.itemsize
    memory = np.zeros(n_bytes + _LINE, dtype=np.uint8)
    start = -memory.ctypes.data % _LINE
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def _solve_block(problems: Problems, solver: Solver, costs: Floats, block: range) -> Any:
    """Return the weights, intercepts and passes of some classes."""
    kernels: Any = compiled()
    table, used = problems.table, problems.used
    shape = problems.n_columns, kernels.width_of(len(block))
    weights = _aligned_zeros(shape, table.data.dtype)
    intercepts = np.zeros(weights.shape[1], dtype=weights.dtype)
    n_iter = np.zeros(len(block), dtype=np.int32)
    kernels.solve(
        table.data,
        table.indices if used is None else used.local,
        table.indptr,
        None if used is None else used.starts,
        problems.rows.astype(np.int64, copy=False),
        problems.positive(block),
        costs,
        weights,
        intercepts,
        n_iter,
        logistic=solver.is_logistic,
        bias=solver.bias,
        tol=solver.tol,
        max_iter=solver.max_iter,
        seed=(solver.seed << 32) + block.start,
    )
    return weights[:, : len(block)], solver.bias * intercepts[: len(block)], n_iter


def solve_by_liblinear(problems: Problems, solver: Solver) -> Solution:
    """Solve problems without compiled solvers: the same optimum to the tolerance."""
    X = problems.table.X
    X = X if len(problems.rows) == X.shape[0] else X[problems.rows]
    costs = problems.costs_by_side()
    found = []
    for number in problems.numbers:
        is_positive = problems.codes == number
        model = _liblinear(solver)
        with compat.shared_draws():
            model.fit(X, is_positive, sample_weight=np.where(is_positive, costs[1], costs[0]))
        found.append((model.coef_[0], np.ravel(model.intercept_)[0], np.max(model.n_iter_)))
    n_iter = int(max(of_one for _, _, of_one in found))
    return Solution(
        np.column_stack([weights for weights, _, _ in found]).astype(X.dtype, copy=False),
        np.array([intercept for _, intercept, _ in found], dtype=X.dtype),
        n_iter,
        n_iter < solver.max_iter,
    )


def _liblinear(solver: Solver) -> Any:
    settings: dict[str, Any] = {
        "C": 1.0,
        "dual": True,
        "tol": solver.tol,
        "max_iter": solver.max_iter,
        "fit_intercept": solver.bias > 0,
        "intercept_scaling": solver.bias or 1.0,
        "random_state": solver.seed,
    }
    if solver.is_logistic:
        return LogisticRegression(solver="liblinear", **settings)
    return LinearSVC(loss="squared_hinge", **settings)
