"""Linear classifier with probabilities, for texts and for tables."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.svm import LinearSVC

from sklhier._utils import validation
from sklhier._utils.typing import Floats as Doubles
from sklhier._utils.typing import Rows
from sklhier.linear_model._block_solvers import Problems, Solution
from sklhier.linear_model._left_out import log_odds_of
from sklhier.linear_model._scaled_logistic import (
    FEW_WEIGHTS,
    Floats,
    ScaledLogisticRegression,
    shares,
)

__all__ = ["ScaledLinearClassifier"]

# Chosen on held-out rows of the training sets of `benchmarks.default_base`.
_FOR_SPARSE = 1.0


class ScaledLinearClassifier(ScaledLogisticRegression):
    r"""Linear classifier with probabilities for texts and tables, the default base estimator.

    * **Dense X**, such as tables and sentence vectors: columns are standardised, and a logistic
      regression learns all classes together, as in :class:`ScaledLogisticRegression`.
    * **Sparse X**, such as TF-IDF: each class is learnt against the rest with the squared hinge loss
      of ``LinearSVC``, which is fast and needs little tuning. Columns with absolute values above 1
      are divided by the largest, so that TF-IDF stays as it is. Margins become log-odds by a slope
      and an offset for each class (Platt scaling [1]_), learnt from the margins that rows would have
      if they had been left out of the fit. An infinitesimal jackknife [2]_ finds these without
      another fit. So rare classes are not drowned by frequent ones, and probabilities mean what they
      say. Those of several classes are divided by their sum.

    The fitted weights apply to the original X. With the compiled solvers (see
    :func:`sklhier.show_versions`) classes are learnt side by side, as in :class:`BlockLinearSVC`.

    Parameters
    ----------
    C : float or "auto", default="auto"
        Inverse strength of the L2 penalty on the weights of the scaled columns, above 0. "auto" is 1
        for sparse X, and 10 divided by the number of columns for dense X.
    class_weight : dict or "balanced", default=None
        Weights of the classes.
    tol : float or "auto", default="auto"
        Tolerance of the solver, above 0. "auto" is 0.1 for sparse X (the range of the projected
        gradient), and for dense X (the largest partial derivative) 1e-6, or 1e-4 in single precision.
    max_iter : int, default=10000
        Largest number of iterations of the solver: dual coordinate descent for sparse X, Newton's
        method with conjugate gradients for dense X.
    sharpness : float or "auto", default="auto"
        "auto" learns what makes log-odds of margins. A number above 0 is the slope for all classes,
        without offsets: margins stay as they are, and the probability of a class is the logistic
        function of its margin times this number.

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
    has_margins_ : bool
        Whether decision scores are margins instead of log-odds: for sparse X if `sharpness` is a
        number.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str
        Their names, if X has any.

    See Also
    --------
    ScaledLogisticRegression : The logistic loss for sparse X as well.
    BlockLinearSVC : The loss for sparse X, with weights of classes and without probabilities.

    References
    ----------
    .. [1] J. Platt (1999), "Probabilistic outputs for support vector machines and comparisons to
       regularized likelihood methods", Advances in Large Margin Classifiers.
    .. [2] R. Giordano, W. Stephenson, R. Liu, M. Jordan, T. Broderick (2019), "A Swiss Army
       infinitesimal jackknife", AISTATS.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import TfidfVectorizer
    >>> from sklhier.linear_model import ScaledLinearClassifier
    >>> texts = ["red apple", "green apple", "fast car", "red car"]
    >>> X = TfidfVectorizer().fit_transform(texts)
    >>> model = ScaledLinearClassifier().fit(X, ["fruit", "fruit", "thing", "thing"])
    >>> model.predict_proba(X).round(2)
    array([[0.95, 0.05],
           [0.98, 0.02],
           [0.02, 0.98],
           [0.05, 0.95]])
    """

    _is_logistic: ClassVar[bool] = False

    def __init__(
        self,
        C: float | Literal["auto"] = "auto",
        *,
        class_weight: Any = None,
        tol: float | Literal["auto"] = "auto",
        max_iter: int = 10_000,
        sharpness: float | Literal["auto"] = "auto",
    ) -> None:
        super().__init__(C, class_weight=class_weight, tol=tol, max_iter=max_iter)
        self.sharpness = sharpness

    def _proba(self, X: Any) -> Floats:
        if not self.has_margins_:
            return super()._proba(X)
        return of_margins(float(self.sharpness), self.decision_function(X))

    @property
    def _strength(self) -> float:
        return _FOR_SPARSE if self.C == "auto" else self.C

    def _check(self) -> None:
        super()._check()
        if self.sharpness != "auto":
            validation.check_number("sharpness", self.sharpness, above=0)

    def _finished(self, problems: Problems, found: Solution) -> Solution:
        if self.sharpness != "auto":
            return found
        return log_odds_of(problems, found, self._strength)

    def _takes(self, n_rows: int, n_columns: int) -> bool:
        # Texts of small nodes have few columns, too, but even fewer rows.
        return n_columns > FEW_WEIGHTS or n_columns >= n_rows

    def _by_newton(
        self, X: Any, used: Rows, codes: npt.NDArray[np.intp], weights: npt.ArrayLike | None
    ) -> tuple[Floats, Floats, int]:
        svc = LinearSVC(
            C=self._strength,
            dual=False,
            tol=min(self._tolerance, 1e-9),
            max_iter=self.max_iter,
            random_state=0,
        )
        svc.fit(X[:, used], codes, weights)
        coef = np.zeros((len(svc.coef_), X.shape[1]))
        coef[:, used] = svc.coef_
        return coef, svc.intercept_, int(np.max(svc.n_iter_))

    def _together(
        self, X: Any, codes: npt.NDArray[np.intp], weights: npt.ArrayLike | None
    ) -> tuple[Floats, Floats, int]:
        self._check()
        self.has_margins_ = False
        return super()._together(X, codes, weights)

    def _one_by_one(
        self, X: Any, codes: npt.NDArray[np.intp], weights: npt.ArrayLike | None
    ) -> tuple[Floats, Floats, int]:
        self._check()
        self.has_margins_ = self.sharpness != "auto"
        return super()._one_by_one(X, codes, weights)

    def _keep(self, classes: Any, weights: Floats, intercepts: Floats, n_iter: int) -> None:
        super()._keep(classes, weights, intercepts, n_iter)
        self.has_margins_ = self.sharpness != "auto"


def of_margins(sharpness: float, scores: Doubles) -> Doubles:
    """Return the probabilities of classes from their margins.

    Parameters
    ----------
    sharpness : float
        What margins are multiplied by.
    scores : ndarray of float, shape (n_samples,), (n_samples, 1) or (n_samples, n_classes)
        One column, or none, is about the second of two classes.
    """
    scores = sharpness * scores
    if scores.ndim == 2 and scores.shape[1] > 1:
        return shares(scores)
    proba = expit(scores.reshape(len(scores)))
    return np.column_stack([1 - proba, proba])
