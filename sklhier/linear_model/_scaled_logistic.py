"""Logistic regression that brings columns to a common scale."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import log_expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.sparsefuncs import inplace_column_scale
from sklearn.utils.validation import check_is_fitted, validate_data

from sklhier._utils import validation
from sklhier._utils.typing import Floats as Doubles
from sklhier._utils.typing import Integers, Rows
from sklhier._utils.warning import warn_caller
from sklhier.linear_model._block_solvers import (
    Problems,
    Solution,
    Solver,
    Table,
    UsedColumns,
    solve,
)

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

__all__ = ["FEW_WEIGHTS", "Floats", "ScaledLogisticRegression", "shares"]


# Chosen on held-out rows of the training sets of `benchmarks.default_base`.
_FOR_SPARSE, _FOR_DENSE = 1000.0, 10.0
# So many weights of a class are found by whole Newton steps, which are exact.
FEW_WEIGHTS = 50


class ScaledLogisticRegression(LogisticRegression):
    """Logistic regression on scaled columns, for texts and tables.

    The columns of dense X are standardised, and all classes are learnt together. In sparse X,
    columns with absolute values above 1 are divided by the largest, so that TF-IDF stays as it is;
    each class is learnt against the rest, and probabilities are divided by their sum. The
    fitted weights apply to the original X. So one strength of the penalty suits texts,
    sentence vectors and unscaled tables, and the solvers converge.

    Parameters
    ----------
    C : float or "auto", default="auto"
        Inverse strength of the L2 penalty on the weights of the scaled columns, above 0. "auto" is
        1000 for sparse X, and 10 divided by the number of columns for dense X, whose standardised
        rows have a squared length of about that number.
    class_weight : dict or "balanced", default=None
        Weights of the classes.
    tol : float or "auto", default="auto"
        Tolerance of the solver, above 0. "auto" is 0.1 for sparse X (the largest violation of an
        optimality condition), and for dense X (the largest partial derivative) 1e-6, or 1e-4 in
        single precision.
    max_iter : int, default=10000
        Largest number of iterations of the solver: dual coordinate descent [1]_ for sparse X,
        Newton's method with conjugate gradients for dense X.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    coef_ : ndarray, shape (1 or n_classes, n_features)
        Weights of the original features.
    intercept_ : ndarray, shape (1 or n_classes,)
        Intercepts. Those of sparse X are penalised like a weight.
    n_iter_ : ndarray of int32, shape (1,)
        Iterations, the maximum over the classes.
    one_vs_rest_ : bool
        Whether each of several classes was learnt against the rest, as for sparse X.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, if X has any.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : Without the scaling.

    References
    ----------
    .. [1] H.-F. Yu, F.-L. Huang, C.-J. Lin (2011), "Dual coordinate descent methods for logistic
       regression and maximum entropy models", Machine Learning 85.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.linear_model import ScaledLogisticRegression
    >>> X = np.array([[1e6, 0.1], [2e6, 0.3], [1e6, 0.2], [2e6, 0.1]])
    >>> model = ScaledLogisticRegression().fit(X, ["few", "many", "few", "many"])
    >>> model.predict([[1.9e6, 0.2]]).tolist()
    ['many']
    """

    _is_logistic: ClassVar[bool] = True

    def __init__(
        self,
        C: float | Literal["auto"] = "auto",
        *,
        class_weight: Any = None,
        tol: float | Literal["auto"] = "auto",
        max_iter: int = 10_000,
    ) -> None:
        super().__init__(
            C=C, class_weight=class_weight, tol=tol, max_iter=max_iter, solver="newton-cg"
        )

    def fit(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.
        y : array-like, shape (n_samples,)
            Classes.
        sample_weight : array-like of float, shape (n_samples,), default=None
            Weights of the samples.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            For numbers that are not finite, fewer than two classes, or a parameter out of range.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"y must hold at least 2 classes, got one class: {classes[0]!r}.")
        if self.class_weight is not None:
            of_classes = compute_sample_weight(self.class_weight, y)
            sample_weight = of_classes if sample_weight is None else of_classes * sample_weight
        is_sparse = sparse.issparse(X)
        shift, scale = _columns_of(X, sample_weight)
        learn = self._one_by_one if is_sparse else self._together
        coef, intercept, n_iter = learn(_scaled(X, shift, scale), codes, sample_weight)
        self.one_vs_rest_ = is_sparse and len(classes) > 2
        self.classes_, self.n_iter_ = classes, np.array([n_iter], dtype=np.int32)
        self.coef_ = (coef / scale).astype(X.dtype, copy=False)
        self.intercept_ = (intercept - self.coef_ @ shift).astype(X.dtype, copy=False)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Estimate the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        proba : ndarray of float, shape (n_samples, n_classes)
            In [0, 1]; rows sum to 1.
        """
        check_is_fitted(self)
        return self._proba(X)

    def _proba(self, X: Any) -> Floats:
        if not self.one_vs_rest_:
            of_all: Floats = super().predict_proba(X)
            return of_all
        proba: Floats = shares(self.decision_function(X))
        return proba

    def _together(
        self, X: Any, codes: npt.NDArray[np.intp], weights: npt.ArrayLike | None
    ) -> tuple[Floats, Floats, int]:
        """Return weights and intercepts of a model of all classes, and the iterations."""
        C = _FOR_DENSE / X.shape[1] if self.C == "auto" else self.C
        tol: Any = self.tol
        if tol == "auto":
            tol = 1e-6 if X.dtype == np.float64 else 1e-4  # about what the precision allows
        model = LogisticRegression(C=C, tol=tol, max_iter=self.max_iter, solver="newton-cg")
        model.fit(X, codes, weights)
        return model.coef_, model.intercept_, int(model.n_iter_.max())

    def _one_by_one(
        self, X: Any, codes: npt.NDArray[np.intp], weights: npt.ArrayLike | None
    ) -> tuple[Floats, Floats, int]:
        """Return weights and intercepts of each class against the rest, and the iterations."""
        used = np.unique(X.indices) if X.nnz else np.array([0])
        rows, row_weights = validation.weighted_rows(weights, X.shape[0])
        problems = self._problems(Table.of(X), rows, codes[rows], row_weights, None)
        if self._takes(X.shape[0], len(used)):
            found = self._solved(problems)
        else:
            coef, intercept, n_iter = self._by_newton(X, used, codes, weights)
            found = self._finished(problems, Solution(coef.T, intercept, n_iter, True))
        return found.weights.T, found.intercepts, found.n_iter

    def _by_newton(
        self, X: Any, used: Rows, codes: npt.NDArray[np.intp], weights: npt.ArrayLike | None
    ) -> tuple[Floats, Floats, int]:
        """Solve the same problems, exactly, for few columns."""
        params: dict[str, Any] = {
            "C": self._strength,
            "tol": min(self._tolerance, 1e-6),
            "max_iter": self.max_iter,
        }
        # The intercept is the weight of a column of ones.
        few = np.column_stack([X[:, used].toarray(), np.ones(X.shape[0], X.dtype)])
        model = LogisticRegression(solver="newton-cholesky", fit_intercept=False, **params)
        n_classes = int(codes.max()) + 1
        rows, n_iter = [], 0
        for code in [1] if n_classes == 2 else range(n_classes):
            model.fit(few, codes == code, weights)
            rows.append(model.coef_[0])
            n_iter = max(n_iter, int(model.n_iter_.max()))
        found = np.array(rows)
        coef = np.zeros((len(found), X.shape[1]))
        coef[:, used] = found[:, :-1]
        return coef, found[:, -1], n_iter

    # -- on sparse X: what stands side by side with the problems of other nodes ---------------

    def _problems(
        self, table: Table, rows: Rows, codes: Integers, weights: Doubles, used: UsedColumns | None
    ) -> Problems:
        """Return the problem of each class, whose codes are all there."""
        self._check()
        of_classes = np.ones(int(codes.max()) + 1)
        return Problems(table, rows, codes, self._strength * weights, of_classes, used)

    def _solved(self, problems: Problems) -> Solution:
        found = solve(problems, self._solver(problems), self._n_threads)
        self._warn_unless(found.has_converged)
        return self._finished(problems, found)

    def _finished(self, problems: Problems, found: Solution) -> Solution:  # noqa: ARG002
        """Return the solution that is kept."""
        return found

    def _learn(
        self,
        table: Table,
        rows: Rows,
        classes: Any,
        codes: Integers,
        weights: Doubles,
        used: UsedColumns | None = None,
    ) -> None:
        """Learn from rows with weights above 0, of a table whose columns are left as they are."""
        found = self._solved(self._problems(table, rows, codes, weights, used))
        self._keep(classes, found.weights, found.intercepts, found.n_iter)

    @property
    def _n_threads(self) -> None:
        return None

    def _takes(self, n_rows: int, n_columns: int) -> bool:  # noqa: ARG002
        """Whether coordinate descent solves problems of so many rows and weights of columns."""
        return n_columns > FEW_WEIGHTS

    @property
    def _strength(self) -> float:
        return _FOR_SPARSE if self.C == "auto" else self.C

    @property
    def _tolerance(self) -> float:
        return 0.1 if self.tol == "auto" else self.tol

    def _check(self) -> None:
        """Raise a ValueError for a parameter out of range."""
        for name, number in (("C", self._strength), ("tol", self._tolerance)):
            validation.check_number(name, number, above=0)
        validation.check_integer("max_iter", self.max_iter, least=1, most=2**31 - 1)

    def _solver(self, problems: Problems) -> Solver:
        tol = self._tolerance
        if (
            self.tol == "auto" and problems.n_columns <= FEW_WEIGHTS
        ):  # an exact answer costs little
            tol = 1e-10 if problems.table.data.dtype == np.float64 else 1e-4
        # Rows are visited in random order, always in the same one.
        return Solver(self._is_logistic, float(tol), int(self.max_iter), 1.0, 0)

    def _keep(self, classes: Any, weights: Floats, intercepts: Floats, n_iter: int) -> None:
        """Store what was learnt from sparse X whose columns are left as they are."""
        self.classes_, self.n_iter_ = classes, np.array([n_iter], dtype=np.int32)
        self.coef_, self.intercept_ = weights.T, intercepts
        self.one_vs_rest_ = len(classes) > 2

    def _warn_unless(self, has_converged: bool) -> None:
        if not has_converged:
            warn_caller(
                f"{type(self).__name__} did not reach tol={self._tolerance:g} in "
                f"max_iter={self.max_iter} passes. Raise either, or lower `C`.",
                ConvergenceWarning,
            )


def shares(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the logistic functions of the scores of classes, divided by their sum."""
    # By logarithms: scores of a sample far away may all be so low that the function is 0.
    proba: npt.NDArray[np.float64] = softmax(log_expit(scores), axis=1)
    return proba


def _columns_of(X: Any, sample_weight: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    """Return what is taken from each column, and by what it is divided, in the precision of X.

    Rows without weight have no influence.
    """
    if not sparse.issparse(X):
        scaler = StandardScaler().fit(X, sample_weight=sample_weight)
        return scaler.mean_.astype(X.dtype), scaler.scale_.astype(X.dtype)
    used = X if sample_weight is None else X[np.flatnonzero(sample_weight)]  # type: ignore[index]
    largest = MaxAbsScaler().fit(used).max_abs_
    return np.zeros_like(largest), np.maximum(largest, 1)


def _scaled(X: Any, shift: Floats, scale: Floats) -> Any:
    if not sparse.issparse(X):
        return (X - shift) / scale
    scaled = X.copy()  # type: ignore[attr-defined]
    inplace_column_scale(scaled, 1 / scale)
    return scaled
