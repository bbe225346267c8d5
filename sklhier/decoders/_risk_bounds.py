"""Bounds of a mean loss: conformal risk control, and p-values to learn then test."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import binom

from sklhier._utils.typing import Floats

__all__ = [
    "binomial_p_values",
    "conformal_bound",
    "fixed_sequence",
    "hoeffding_bentkus_p_values",
]


def conformal_bound(risk: npt.ArrayLike, n_rows: float, largest_loss: float = 1.0) -> Floats:
    """Return the mean loss of rows and of a further one that has the largest loss.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei, T. Schuster. Conformal risk control.
       ICLR (2024).
    """
    total = np.asarray(risk, dtype=np.float64) * n_rows
    bound: Floats = (total + largest_loss) / (n_rows + 1)
    return bound


def binomial_p_values(n_errors: npt.ArrayLike, n_rows: float, target: float) -> Floats:
    """Return the probability of so few errors, if each row had one with probability `target`."""
    errors = np.asarray(n_errors, dtype=np.float64)
    p_values: Floats = np.asarray(binom.cdf(errors, n_rows, target), dtype=np.float64)
    return p_values


def hoeffding_bentkus_p_values(risk: npt.ArrayLike, n_rows: float, target: float) -> Floats:
    """Return p-values of the hypothesis that the expected loss, in [0, 1], is above `target`.

    The smaller of Hoeffding's bound and that of Bentkus.

    References
    ----------
    .. [1] S. Bates, A. Angelopoulos, L. Lei, J. Malik, M. I. Jordan. Distribution-free,
       risk-controlling prediction sets. Journal of the ACM 68 (2021).
    """
    means = np.asarray(risk, dtype=np.float64)
    low = np.minimum(means, target)
    distance = xlogy(low, low / target) + xlogy(1 - low, (1 - low) / (1 - target))
    hoeffding = np.exp(-n_rows * distance)
    # Rounding must not make an error more of a sum that is an integer.
    bentkus = np.e * binom.cdf(np.ceil(n_rows * means - 1e-9), n_rows, target)
    p_values: Floats = np.minimum(1.0, np.minimum(hoeffding, bentkus))
    return p_values


def fixed_sequence(p_values: Floats, delta: float) -> int:
    """Return how many hypotheses are rejected, one after the other until one is not.

    The probability that any of them is true is at most `delta`.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, E. J. Candes, M. I. Jordan, L. Lei. Learn then test:
       calibrating predictive algorithms to achieve risk control. arXiv:2110.01052 (2021).
    """
    kept = np.asarray(p_values) > delta
    return int(np.argmax(kept)) if kept.any() else len(kept)
