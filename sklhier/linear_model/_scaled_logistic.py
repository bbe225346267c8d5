"""Logistic regression that brings columns to a common scale."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.utils.sparsefuncs import inplace_column_scale
from sklearn.utils.validation import validate_data

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

__all__ = ["ScaledLogisticRegression"]


# Chosen on held-out rows of the training sets of `benchmarks.default_base`.
_FOR_SPARSE, _FOR_DENSE = 100.0, 10.0
_FEW_WEIGHTS = 100


class ScaledLogisticRegression(LogisticRegression):
    """Logistic regression on columns of a common scale, for texts and for tables.

    The columns of dense X are standardised. Those of sparse X are divided by their largest absolute
    value where that is above 1, so that TF-IDF stays as it is. The fitted weights are those of X as
    it is given. So one strength of the penalty serves for texts, sentence vectors and unscaled
    tables, and the solver converges.

    Parameters
    ----------
    C : float or "auto", default="auto"
        Inverse strength of the L2 penalty on the weights of the scaled columns, above 0. "auto" is
        100 for sparse X, and 10 divided by the number of columns for dense X, whose standardised
        rows have a squared length of about that number.
    class_weight : dict or "balanced", default=None
        Weights of the classes.
    tol : float, default=1e-6
        Tolerance of the solver.
    max_iter : int, default=100
        Most iterations of the solver, Newton's method, with conjugate gradients where there are more
        than a hundred weights.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        The classes.
    coef_ : ndarray, shape (1 or n_classes, n_features)
        Weights of the features as they are given.
    intercept_ : ndarray, shape (1 or n_classes,)
        Intercepts.
    n_iter_ : ndarray of int32, shape (1,)
        Iterations of the solver.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, if X has any.

    See Also
    --------
    sklearn.linear_model.LogisticRegression : Without the scaling.

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.linear_model import ScaledLogisticRegression
    >>> X = np.array([[1e6, 0.1], [2e6, 0.3], [1e6, 0.2], [2e6, 0.1]])
    >>> model = ScaledLogisticRegression().fit(X, ["few", "many", "few", "many"])
    >>> model.predict([[1.9e6, 0.2]]).tolist()
    ['many']
    """

    def __init__(
        self,
        C: float | Literal["auto"] = "auto",
        *,
        class_weight: Any = None,
        tol: float = 1e-6,
        max_iter: int = 100,
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
        shift, scale = _columns_of(X, sample_weight)
        inner = LogisticRegression(
            C=self._strength(X),
            class_weight=self.class_weight,
            tol=self.tol,
            max_iter=self.max_iter,
            solver=_solver_of(X, y),
        ).fit(_scaled(X, shift, scale), y, sample_weight)
        self.classes_, self.n_iter_ = inner.classes_, inner.n_iter_
        self.coef_ = inner.coef_ / scale
        self.intercept_ = inner.intercept_ - self.coef_ @ shift
        return self

    def _strength(self, X: Any) -> float:
        """Return the number that `C` stands for."""
        if self.C != "auto":
            return self.C
        return _FOR_SPARSE if sparse.issparse(X) else _FOR_DENSE / X.shape[1]


def _solver_of(X: Any, y: Any) -> str:
    """Return the solver: whole Newton steps, which are exact, where there are few weights."""
    n_weights = X.shape[1] * len(np.unique(y))
    return "newton-cholesky" if n_weights <= _FEW_WEIGHTS else "newton-cg"


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
