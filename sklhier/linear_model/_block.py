"""Linear classifiers whose classes are learnt side by side, by dual coordinate descent."""

from __future__ import annotations

import threading
from typing import Any, ClassVar, Literal, Self, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sklhier._utils import validation
from sklhier._utils.typing import Floats, Integers, Labels, Rows, SampleWeight
from sklhier._utils.warning import warn_caller
from sklhier.linear_model._block_solvers import (
    Problems,
    Solution,
    Solver,
    Table,
    UsedColumns,
    solve,
)
from sklhier.linear_model._scaled_logistic import shares

__all__ = ["BlockLinearSVC", "BlockLogisticRegression"]

_Numbers: TypeAlias = npt.NDArray[np.floating[Any]]
_Dtype: TypeAlias = Literal["float32", "float64"] | None
_FLOATS = [np.float64, np.float32]
_MOST = np.iinfo(np.int32).max
_KEPT = threading.local()


def _random_numbers(random_state: Any) -> np.random.RandomState:
    """Return what ``check_random_state`` does; for a seed it is used again, which takes less time."""
    if type(random_state) is not int:
        return check_random_state(random_state)
    if not hasattr(_KEPT, "numbers"):
        _KEPT.numbers = np.random.RandomState()
    numbers: np.random.RandomState = _KEPT.numbers
    numbers.seed(random_state)
    return numbers


class _BlockClassifier(ClassifierMixin, BaseEstimator):
    """What both losses share."""

    _is_logistic: ClassVar[bool]
    coef_: _Numbers
    intercept_: _Numbers
    classes_: Labels
    n_iter_: int

    def __init__(
        self,
        C: float = 1.0,
        *,
        tol: float = 1e-4,
        max_iter: int = 1000,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        class_weight: Any = None,
        dtype: _Dtype = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.dtype = dtype
        self.random_state = random_state
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X: Any, y: npt.ArrayLike, sample_weight: SampleWeight = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.
        y : array-like, shape (n_samples,)
            Classes.
        sample_weight : array-like of float, shape (n_samples,), default=None
            Weights of the samples, 0 or more. Samples of weight 0 are as if they were absent.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            For numbers that are not finite, fewer than two classes, or a parameter out of range.
        """
        self._check()
        X, labels = validate_data(self, X, y, accept_sparse="csr", dtype=self._dtypes(), order="C")
        check_classification_targets(labels)
        rows, weights = validation.weighted_rows(sample_weight, X.shape[0])
        classes, codes = np.unique(labels[rows], return_inverse=True)
        self._learn(Table.of(X), rows, classes, codes, weights)
        self.coef_ = np.ascontiguousarray(self.coef_)
        return self

    def _learn(
        self,
        table: Table,
        rows: Rows,
        classes: Labels,
        codes: Integers,
        weights: Floats,
        used: UsedColumns | None = None,
    ) -> None:
        """Learn from rows with weights above 0; the weights come column by column."""
        if len(classes) < 2:
            one = classes.tolist()[0]
            raise ValueError(f"y must hold at least 2 classes, got one class: {one!r}.")
        of_classes = _class_weights(self.class_weight, classes, codes, weights)
        problems = Problems(table, rows, codes, self.C * weights, of_classes, used)
        found = solve(problems, self._solver(problems), self.n_jobs)
        self._keep(classes, found.weights, found.intercepts, found.n_iter)
        self._warn_unless(found.has_converged)

    def _keep(self, classes: Labels, weights: _Numbers, intercepts: _Numbers, n_iter: int) -> None:
        self.classes_, self.n_iter_ = classes, n_iter
        self.coef_, self.intercept_ = weights.T, intercepts

    def _warn_unless(self, has_converged: bool) -> None:
        if not has_converged:
            warn_caller(
                f"{type(self).__name__} did not reach tol={self.tol:g} in max_iter={self.max_iter} "
                "passes. Raise either, lower `C`, or scale the columns of X.",
                ConvergenceWarning,
            )

    def decision_function(self, X: Any) -> _Numbers:
        """Compute the signed scores of the classes.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        scores : ndarray of float, shape (n_samples,) or (n_samples, n_classes)
            Higher is more likely. Of two classes: the score of the second.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=_FLOATS, reset=False)
        X = X.astype(self.coef_.dtype, copy=False)
        scores = safe_sparse_dot(X, self.coef_.T, dense_output=True) + self.intercept_
        return cast(_Numbers, scores[:, 0] if scores.shape[1] == 1 else scores)

    def predict(self, X: Any) -> Labels:
        """Predict a class for each sample.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            Classes.
        """
        scores = self.decision_function(X)
        codes = np.intp(scores > 0) if scores.ndim == 1 else scores.argmax(axis=1)
        return cast(Labels, self.classes_[codes])

    def _check(self) -> None:
        """Raise a ValueError for a parameter out of range."""
        for name in ("C", "tol", "intercept_scaling"):
            validation.check_number(name, getattr(self, name), above=0)
        validation.check_integer("max_iter", self.max_iter, least=1, most=2**31 - 1)
        validation.check_flag("fit_intercept", self.fit_intercept)
        validation.check_choice("dtype", _name_of(self.dtype), ("float32", "float64", None))
        validation.check_n_jobs(self.n_jobs)

    @property
    def _strength(self) -> float:
        return self.C

    @property
    def _n_threads(self) -> int | None:
        return self.n_jobs

    def _takes(self, n_rows: int, n_columns: int) -> bool:  # noqa: ARG002
        """Whether problems of so many rows and weights of columns are solved in this way."""
        return True

    def _finished(self, problems: Problems, found: Solution) -> Solution:  # noqa: ARG002
        """Return the solution that is kept."""
        return found

    def _solver(self, problems: Problems) -> Solver:  # noqa: ARG002
        bias = float(self.intercept_scaling) if self.fit_intercept else 0.0
        seed = int(_random_numbers(self.random_state).randint(_MOST))
        return Solver(self._is_logistic, float(self.tol), int(self.max_iter), bias, seed)

    def _dtypes(self) -> Any:
        return _FLOATS if self.dtype is None else np.dtype(self.dtype)


class BlockLinearSVC(_BlockClassifier):
    r"""Linear support vector classifier that learns several classes side by side.

    The model of ``LinearSVC(dual=True)``: for each class against the rest the minimum of

    .. math:: \tfrac{1}{2} \lVert w \rVert^2 + C \sum_i s_i \max(0, 1 - y_i w^T x_i)^2,

    with its stopping rule and shrinking [1]_. Each visit of a row updates a block of classes, 16
    in single precision and 8 in double precision, which makes it several times as fast. This needs
    the compiled solvers (see :func:`sklhier.show_versions`); without them liblinear finds
    the same minimum. Blocks have their own random numbers, so that the result does not depend on
    `n_jobs`.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the L2 penalty, above 0.
    tol : float, default=1e-4
        Stopping tolerance, above 0: the range of the projected gradient. Single precision reaches
        about 1e-5.
    max_iter : int, default=1000
        Largest number of passes over the samples.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    intercept_scaling : float, default=1.0
        Value of the constant column behind the intercept. The intercept is this value times the
        weight of the column, and the weight is penalised.
    class_weight : dict or "balanced", default=None
        Factors of `C` for the samples of a class: as in ``LinearSVC``, in the problem of that class
        against the rest; with two classes, in their only problem.
    dtype : {"float32", "float64"}, default=None
        Precision of the fit and of the weights. None uses that of X.
    random_state : int, RandomState or None, default=None
        Seed of the order in which samples are visited.
    n_jobs : int, default=None
        Number of threads, for blocks of classes. None means 1, unless joblib is configured
        otherwise.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    coef_ : ndarray, shape (1 or n_classes, n_features)
        Weights of the features.
    intercept_ : ndarray, shape (1 or n_classes,)
        Intercepts; 0 without them.
    n_iter_ : int
        Passes over the samples, the maximum over the classes.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, if X has any.

    See Also
    --------
    BlockLogisticRegression : With probabilities.
    sklearn.svm.LinearSVC : Other penalties and losses; the classes one after the other.

    References
    ----------
    .. [1] C.-J. Hsieh, K.-W. Chang, C.-J. Lin, S. S. Keerthi, S. Sundararajan (2008), "A dual
       coordinate descent method for large-scale linear SVM", ICML.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklhier.linear_model import BlockLinearSVC
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = BlockLinearSVC(random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.95
    """

    _is_logistic = False


class BlockLogisticRegression(_BlockClassifier):
    r"""One-vs-rest logistic regression that learns several classes side by side.

    The model of ``LogisticRegression(solver="liblinear", dual=True)``: for each class against the
    rest the minimum of

    .. math:: \tfrac{1}{2} \lVert w \rVert^2 + C \sum_i s_i \log(1 + \exp(-y_i w^T x_i)),

    by dual coordinate descent [1]_. Each visit of a row updates a block of classes, as in
    :class:`BlockLinearSVC`, which also says what happens without the compiled solvers.
    Probabilities of several classes are the logistic functions of their scores, divided by their sum.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the L2 penalty, above 0.
    tol : float, default=1e-4
        Stopping tolerance, above 0: the largest derivative of the dual problem. Single precision
        reaches about 1e-4.
    max_iter : int, default=1000
        Largest number of passes over the samples.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    intercept_scaling : float, default=1.0
        Value of the constant column behind the intercept. The intercept is this value times the
        weight of the column, and the weight is penalised.
    class_weight : dict or "balanced", default=None
        Factors of `C` for the samples of a class: in the problem of that class against the rest;
        with two classes, in their only problem.
    dtype : {"float32", "float64"}, default=None
        Precision of the fit and of the weights. None uses that of X.
    random_state : int, RandomState or None, default=None
        Seed of the order in which samples are visited.
    n_jobs : int, default=None
        Number of threads, for blocks of classes. None means 1, unless joblib is configured
        otherwise.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    coef_ : ndarray, shape (1 or n_classes, n_features)
        Weights of the features.
    intercept_ : ndarray, shape (1 or n_classes,)
        Intercepts; 0 without them.
    n_iter_ : int
        Passes over the samples, the maximum over the classes.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, if X has any.

    See Also
    --------
    ScaledLogisticRegression : Brings columns to a common scale; the default base of the package.
    BlockLinearSVC : Faster, without probabilities.

    References
    ----------
    .. [1] H.-F. Yu, F.-L. Huang, C.-J. Lin (2011), "Dual coordinate descent methods for logistic
       regression and maximum entropy models", Machine Learning 85.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.preprocessing import scale
    >>> from sklhier.linear_model import BlockLogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> X = scale(X)
    >>> model = BlockLogisticRegression(random_state=0).fit(X, y)
    >>> model.predict_proba(X[:1]).round(1)
    array([[0.9, 0.1, 0. ]])
    """

    _is_logistic = True

    def predict_proba(self, X: Any) -> _Numbers:
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
        scores = self.decision_function(X)
        if scores.ndim == 2:
            return cast(_Numbers, shares(cast(Floats, scores)))
        proba = expit(scores)
        return np.column_stack([1 - proba, proba])

    def predict_log_proba(self, X: Any) -> _Numbers:
        """Estimate the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        log_proba : ndarray of float, shape (n_samples, n_classes)
            0 or less.
        """
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        with np.errstate(divide="ignore"):
            return cast(_Numbers, np.log(shares(cast(Floats, scores))))


def _name_of(dtype: Any) -> Any:
    """Return the name of a dtype of NumPy; anything else as it is."""
    return np.dtype(dtype).name if dtype in (np.float32, np.float64) else dtype


def _class_weights(given: Any, classes: Labels, codes: Integers, weights: Floats) -> Floats:
    if isinstance(given, str) and given == "balanced":
        return weights.sum() / (len(classes) * np.bincount(codes, weights))
    if given is None:
        return np.ones(len(classes))
    return cast(Floats, compute_class_weight(given, classes=classes, y=classes[codes]))
