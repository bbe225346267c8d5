"""Calibrators of scores: sigmoid, isotonic, Venn-Abers."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from sklhier._utils.typing import Floats
from sklhier.calibration._base import ScoreCalibrator, register

__all__ = ["Isotonic", "Sigmoid", "VennAbers"]


@register("sigmoid")
class Sigmoid(ScoreCalibrator):
    """Platt scaling: a logistic function of the score, for each class against all others.

    Labels are smoothed as in [1]_, as if there were one more row of each kind.

    Parameters
    ----------
    min_rows : int, default=50
        Models with fewer held-out rows share a temperature instead.

    Attributes
    ----------
    slope_, intercept_ : float
        The probability is ``1 / (1 + exp(-(slope_ * score + intercept_)))``.

    References
    ----------
    .. [1] J. Platt. Probabilistic outputs for support vector machines and comparisons to
       regularized likelihood methods. Advances in Large Margin Classifiers (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.calibration import Sigmoid
    >>> model = Sigmoid().fit(np.array([-2.0, -0.5, 0.1, 1.8]), np.array([0, 1, 0, 1]))
    >>> model.predict(np.array([-1.0, 1.0])).round(2)
    array([0.4 , 0.63])
    """

    def __init__(self, min_rows: int = 50) -> None:
        self.min_rows = min_rows

    def fit(self, scores: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Learn slope and intercept by maximum likelihood.

        Parameters
        ----------
        scores, y, sample_weight
            As of :meth:`ScoreCalibrator.fit`.

        Returns
        -------
        self : Sigmoid
        """
        weights, is_yes = _weights(sample_weight, len(scores)), np.asarray(y) > 0
        n_yes = float(weights[is_yes].sum())
        n_no = float(weights.sum()) - n_yes
        target = np.where(is_yes, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))
        unit = max(float(np.abs(scores).max(initial=0.0)), np.finfo(np.float64).tiny)
        scaled = scores / unit

        def loss(params: Floats) -> tuple[float, Floats]:
            margin = params[0] * scaled + params[1]
            residual = weights * (expit(margin) - target)
            value = float(weights @ (np.logaddexp(0.0, margin) - target * margin))
            return value, np.array([residual @ scaled, residual.sum()])

        start = np.array([0.0, np.log((n_yes + 1) / (n_no + 1))])
        least = 1e-9 * max(1.0, float(weights.sum()))
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"gtol": least, "ftol": 1e-15}
        )
        # A slope below 0 would turn the order of a useless model around.
        self.slope_ = max(0.0, float(found.x[0])) / unit
        self.intercept_ = float(found.x[1]) if found.x[0] >= 0 else float(start[1])
        return self

    def predict(self, scores: Floats) -> Floats:
        """Return the probability of the class; see :meth:`ScoreCalibrator.predict`."""
        proba: Floats = expit(self.slope_ * scores + self.intercept_)
        return proba


@register("isotonic")
class Isotonic(ScoreCalibrator):
    """Isotonic regression, a function that never decreases, for each class against all others.

    Probabilities stay at least ``1 / (n + 2)`` from 0 and 1, where `n` is the number of held-out
    rows [1]_. It needs many rows, and gives many scores the same probability; such ties are broken by
    the raw score.

    Parameters
    ----------
    min_rows : int, default=1000
        Models with fewer held-out rows share a temperature instead.

    Attributes
    ----------
    scores_, proba_ : ndarray of float64
        Corners of the function, which is linear between them.

    References
    ----------
    .. [1] B. Zadrozny, C. Elkan. Transforming classifier scores into accurate multiclass probability
       estimates. KDD (2002).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.calibration import Isotonic
    >>> model = Isotonic().fit(np.array([-2.0, -0.5, 0.1, 1.8]), np.array([0, 1, 0, 1]))
    >>> model.predict(np.array([-3.0, 0.0, 3.0])).round(2)
    array([0.17, 0.5 , 0.83])
    """

    def __init__(self, min_rows: int = 1000) -> None:
        self.min_rows = min_rows

    def fit(self, scores: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Learn the function by least squares.

        Parameters
        ----------
        scores, y, sample_weight
            As of :meth:`ScoreCalibrator.fit`.

        Returns
        -------
        self : Isotonic
        """
        least = 1 / (len(scores) + 2)
        fitted = IsotonicRegression(y_min=least, y_max=1 - least)
        fitted.fit(scores, np.asarray(y, dtype=np.float64), _weights(sample_weight, len(scores)))
        self.scores_, self.proba_ = fitted.X_thresholds_, fitted.y_thresholds_
        return self

    def predict(self, scores: Floats) -> Floats:
        """Return the probability of the class; see :meth:`ScoreCalibrator.predict`."""
        return np.interp(scores, self.scores_, self.proba_)


@register("venn_abers")
class VennAbers(ScoreCalibrator):
    """Inductive Venn-Abers predictor, for each class against all others.

    Two isotonic regressions, with the new score added once as a row of the class and once as a row
    outside it, give probabilities ``p1`` and ``p0``, and a valid one lies between them [1]_. The
    result is ``p1 / (1 - p0 + p1)``, which is never 0 or 1. Both are step functions of the score,
    found once in ``fit``.

    Parameters
    ----------
    min_rows : int, default=200
        Models with fewer held-out rows share a temperature instead.

    Attributes
    ----------
    scores_ : ndarray of float64, shape (n_steps,)
        The distinct scores, ascending.
    lower_, upper_ : ndarray of float64, shape (n_steps + 1,)
        ``p0`` and ``p1`` between them.

    References
    ----------
    .. [1] V. Vovk, I. Petej, V. Fedorova. Large-scale probabilistic predictors with and without
       guarantees of validity. NeurIPS (2015).

    Examples
    --------
    >>> import numpy as np
    >>> from sklhier.calibration import VennAbers
    >>> model = VennAbers().fit(np.array([-2.0, -0.5, 0.1, 1.8]), np.array([0, 1, 0, 1]))
    >>> model.predict(np.array([-3.0, 0.0, 3.0])).round(2)
    array([0.33, 0.5 , 0.67])
    """

    def __init__(self, min_rows: int = 200) -> None:
        self.min_rows = min_rows

    def fit(self, scores: Floats, y: Floats, sample_weight: Floats | None = None) -> Self:
        """Find both step functions.

        Parameters
        ----------
        scores, y, sample_weight
            As of :meth:`ScoreCalibrator.fit`.

        Returns
        -------
        self : VennAbers
        """
        weights = _weights(sample_weight, len(scores))
        self.scores_, group = np.unique(scores, return_inverse=True)
        total: Floats = np.bincount(group, weights=weights).astype(np.float64)
        yes: Floats = np.bincount(group, weights=weights * (np.asarray(y) > 0)).astype(np.float64)
        self.upper_ = _with_a_yes(total, yes)
        # The same from the other side, where a no is a yes.
        self.lower_ = 1 - _with_a_yes(total[::-1], (total - yes)[::-1])[::-1]
        return self

    def predict(self, scores: Floats) -> Floats:
        """Return the probability of the class; see :meth:`ScoreCalibrator.predict`."""
        lower = self.lower_[np.searchsorted(self.scores_, scores, side="right")]
        upper = self.upper_[np.searchsorted(self.scores_, scores, side="left")]
        proba: Floats = upper / (1 - lower + upper)
        return proba


def _weights(sample_weight: Floats | None, n_rows: int) -> Floats:
    return (
        np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    )


def _with_a_yes(total: Floats, yes: Floats) -> Floats:
    """Return the isotonic value of a yes of weight 1, added before each score, and after all.

    The value is a slope of the lower convex hull of cumulative sums. The hull of what follows the
    added row is a stack, built from the end once. Then the row moves up, past one score after the
    other, and the part of the hull that changes is mended: each score is pushed and popped once.
    """
    n = len(total)
    x = [-1.0, *np.append(0.0, np.cumsum(total)).tolist()]
    y = [-1.0, *np.append(0.0, np.cumsum(yes)).tolist()]
    hull: list[tuple[float, float]] = []
    for point in zip(x[::-1], y[::-1], strict=True):  # from the end to the added row
        _push(hull, point)
    values = np.ones(n + 1)
    own, widths, heights = (-1.0, -1.0), total.tolist(), yes.tolist()
    before = own
    for i in range(n):
        (x0, y0), (x1, y1) = hull[-1], hull[-2]
        values[i] = (y1 - y0) / (x1 - x0)
        # The added row passes the score: the corner between them moves.
        moved = (before[0] + widths[i], before[1] + heights[i])
        before = moved
        if (moved[1] - y0) * (x1 - x0) < (y1 - y0) * (moved[0] - x0):
            hull.pop()
            _push(hull, moved)
    return np.clip(values, 0.0, 1.0)


def _push(hull: list[tuple[float, float]], point: tuple[float, float]) -> None:
    """Put a point on a convex hull whose corners go to the left, without those it covers."""
    while len(hull) > 1:
        (x0, y0), (x1, y1) = hull[-1], hull[-2]
        # The last corner stays if it lies below the line from the point to the one before.
        if (y0 - point[1]) * (x1 - point[0]) < (y1 - point[1]) * (x0 - point[0]):
            break
        hull.pop()
    hull.append(point)
