"""Losses of the joint models, and the solvers that minimise them.

:class:`~sklhier.MultiHeadClassifier` takes a :class:`LevelLoss`, :class:`HierarchicalCrossEntropy` or
:class:`SoftLabels`; :class:`~sklhier.MultiHeadMultiLabelClassifier` a :class:`MaxConstraintLoss` or
:class:`CrossEntropyLoss`. Both are fitted by :class:`LBFGS` or :class:`Adam`. The objects hold
parameters, which searches reach as ``loss__beta`` or ``solver__max_iter``.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from sklearn.base import BaseEstimator

from sklhier._utils.validation import check_choice, check_flag, check_integer, check_number

__all__ = [
    "LBFGS",
    "Adam",
    "CrossEntropyLoss",
    "HierarchicalCrossEntropy",
    "LevelLoss",
    "MaxConstraintLoss",
    "SoftLabels",
    "resolve_loss",
    "resolve_set_loss",
    "resolve_solver",
]
__dir__ = __all__.copy  # completion shows public names alone

LEARNING_RATES = ("constant", "adaptive", "linear")


# -- losses of one path -------------------------------------------------------------------


class LevelLoss(BaseEstimator):
    r"""Sum of the log losses of all levels, ``loss="level"``.

    The loss of a sample is :math:`\sum_l w_l \, {-\log M_{y(l)}}`, where `M` holds the probabilities
    of nodes, :math:`y(l)` is the node of the true path at level `l`, and `w` are the
    ``level_weights`` of the estimator.

    Examples
    --------
    >>> from sklhier import MultiHeadClassifier
    >>> from sklhier.objectives import LevelLoss
    >>> MultiHeadClassifier(loss=LevelLoss(), level_weights=[4, 2, 1])
    MultiHeadClassifier(level_weights=[4, 2, 1], loss=LevelLoss())
    """

    def check(self) -> None:
        """Accept: there are no parameters."""


class HierarchicalCrossEntropy(BaseEstimator):
    r"""Weighted sum of the log losses of the steps down the path [1]_, ``loss="hxe"``.

    The step to level `l` has the weight :math:`w_l e^{-\alpha l}`, where `w` are the
    ``level_weights`` of the estimator.

    Parameters
    ----------
    alpha : float, default=0.1
        Decay of the weights: with a larger value lower levels count less.

    References
    ----------
    .. [1] L. Bertinetto, R. Mueller, K. Tertikas, S. Samangooei, N. A. Lord. Making better mistakes:
       leveraging class hierarchies with deep networks. CVPR (2020).

    Examples
    --------
    >>> from sklhier import MultiHeadClassifier
    >>> from sklhier.objectives import HierarchicalCrossEntropy
    >>> model = MultiHeadClassifier(loss=HierarchicalCrossEntropy(0.5))
    >>> model.set_params(loss__alpha=0.2).loss
    HierarchicalCrossEntropy(alpha=0.2)
    """

    def __init__(self, alpha: float = 0.1) -> None:
        self.alpha = alpha

    def check(self) -> None:
        """Raise a ValueError unless `alpha` is a finite number."""
        check_number("alpha", self.alpha)


class SoftLabels(BaseEstimator):
    r"""Cross-entropy with labels shared among near ones [1]_, ``loss="soft_labels"``.

    Each answer gets a share of the true label in proportion to :math:`e^{-\beta d}`, where `d` is the
    height of the lowest common ancestor divided by that of the root; 0 for the true label itself. The
    ``level_weights`` of the estimator are not used.

    Parameters
    ----------
    beta : float, default=10.0
        Positive; with a larger value more of a label stays with itself.

    References
    ----------
    .. [1] L. Bertinetto, R. Mueller, K. Tertikas, S. Samangooei, N. A. Lord. Making better mistakes:
       leveraging class hierarchies with deep networks. CVPR (2020).

    Examples
    --------
    >>> from sklhier import MultiHeadClassifier
    >>> from sklhier.objectives import SoftLabels
    >>> MultiHeadClassifier(loss=SoftLabels(4.0))
    MultiHeadClassifier(loss=SoftLabels(beta=4.0))
    """

    def __init__(self, beta: float = 10.0) -> None:
        self.beta = beta

    def check(self) -> None:
        """Raise a ValueError unless `beta` is positive."""
        check_number("beta", self.beta, above=0)


# -- losses of label sets -----------------------------------------------------------------


class MaxConstraintLoss(BaseEstimator):
    """Log loss of the largest score at or below each node [1]_, ``loss="max_constraint"``.

    For a node that the sample does not belong to, the largest score among the node and its
    descendants counts. For a node that it belongs to, only those of them count that the sample also
    belongs to. ``level_weights`` of the estimator weight the nodes of each level.

    References
    ----------
    .. [1] E. Giunchiglia, T. Lukasiewicz. Coherent hierarchical multi-label classification
       networks. NeurIPS (2020).

    Examples
    --------
    >>> from sklhier import MultiHeadMultiLabelClassifier
    >>> from sklhier.objectives import MaxConstraintLoss
    >>> MultiHeadMultiLabelClassifier(loss=MaxConstraintLoss())
    MultiHeadMultiLabelClassifier(loss=MaxConstraintLoss())
    """

    def check(self) -> None:
        """Accept: there are no parameters."""


class CrossEntropyLoss(BaseEstimator):
    """Log loss of each node's own score, ``loss="cross_entropy"``.

    Without hidden layers this is a logistic regression for each node. ``level_weights`` of the
    estimator weight the nodes of each level.

    Examples
    --------
    >>> from sklhier import MultiHeadMultiLabelClassifier
    >>> from sklhier.objectives import CrossEntropyLoss
    >>> MultiHeadMultiLabelClassifier(loss=CrossEntropyLoss())
    MultiHeadMultiLabelClassifier(loss=CrossEntropyLoss())
    """

    def check(self) -> None:
        """Accept: there are no parameters."""


# -- solvers ------------------------------------------------------------------------------


class LBFGS(BaseEstimator):
    """Quasi-Newton method on all samples at once, ``solver="lbfgs"``.

    It keeps about two dozen float64 copies of all weights.

    Parameters
    ----------
    max_iter : int, default=200
        Largest number of iterations, 0 or more.
    tol : float, default=1e-4
        Largest absolute derivative at which it stops, 0 or more.

    Examples
    --------
    >>> from sklhier import MultiHeadClassifier
    >>> from sklhier.objectives import LBFGS
    >>> MultiHeadClassifier(solver=LBFGS(max_iter=1000))
    MultiHeadClassifier(solver=LBFGS(max_iter=1000))
    """

    def __init__(self, *, max_iter: int = 200, tol: float = 1e-4) -> None:
        self.max_iter = max_iter
        self.tol = tol

    def check(self) -> None:
        """Raise a ValueError for a parameter outside its range."""
        check_integer("max_iter", self.max_iter, least=0)
        check_number("tol", self.tol, least=0)


class Adam(BaseEstimator):
    """Adam on mini-batches in random order, ``solver="adam"``.

    The weights of a sparse feature are updated only in batches where the feature occurs.

    Parameters
    ----------
    learning_rate : {"adaptive", "constant", "linear"}, default="adaptive"
        Schedule of the rate, when the loss has not decreased by `tol` for `n_iter_no_change` passes:
        ``"adaptive"`` divides the rate by 5 and stops at the third time; ``"constant"`` stops.
        ``"linear"`` lowers the rate to 0 over `max_iter` passes, and stops earlier only with
        `early_stopping`. ``partial_fit`` keeps the initial rate.
    learning_rate_init : float or "auto", default="auto"
        Initial learning rate. ``"auto"`` is 0.03 for sparse features and 0.003 for dense ones; with
        ``"linear"`` and a linear model of dense features, 0.004 divided by the root mean square of
        the features.
    batch_size : int or "auto", default="auto"
        Samples in a mini-batch, at least 1; ``"auto"`` is 128.
    max_iter : int, default=200
        Largest number of passes through the samples, 0 or more.
    tol : float, default=1e-4
        Smallest decrease of the loss that counts, 0 or more.
    n_iter_no_change : int, default=5
        Passes without such a decrease before the rate changes, at least 1.
    early_stopping : bool, default=False
        Whether to watch the loss of held-out samples, and to keep the weights with the lowest.
    validation_fraction : float, default=0.1
        Approximate share of the samples to hold out for that, in (0, 0.5], stratified. A sample whose
        labels no other sample has stays in training. If ``fit`` gets groups, they are held out
        whole.
    refit : bool, default=False
        Whether to fit again after early stopping: on all samples, from the same initial weights, with
        the learning rates of the passes up to the best one.

    Examples
    --------
    >>> from sklhier import MultiHeadClassifier
    >>> from sklhier.objectives import Adam
    >>> model = MultiHeadClassifier(solver=Adam(early_stopping=True), random_state=0)
    >>> model.set_params(solver__batch_size=64).solver
    Adam(batch_size=64, early_stopping=True)
    """

    def __init__(
        self,
        *,
        learning_rate: str = "adaptive",
        learning_rate_init: float | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        refit: bool = False,
    ) -> None:
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.refit = refit

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({"refit": False, **state})  # saved before there was one

    def check(self) -> None:
        """Raise a ValueError for a parameter outside its range."""
        check_choice("learning_rate", self.learning_rate, LEARNING_RATES)
        if not _is_auto(self.learning_rate_init):
            check_number("learning_rate_init", self.learning_rate_init, above=0)
        if not _is_auto(self.batch_size):
            check_integer("batch_size", self.batch_size, least=1)
        check_integer("max_iter", self.max_iter, least=0)
        check_number("tol", self.tol, least=0)
        check_integer("n_iter_no_change", self.n_iter_no_change, least=1)
        check_flag("early_stopping", self.early_stopping)
        check_number("validation_fraction", self.validation_fraction, above=0, most=0.5)
        check_flag("refit", self.refit)


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == "auto"


# -- names --------------------------------------------------------------------------------

PathLoss: TypeAlias = LevelLoss | HierarchicalCrossEntropy | SoftLabels
SetLoss: TypeAlias = MaxConstraintLoss | CrossEntropyLoss
Solver: TypeAlias = LBFGS | Adam

_PATH_LOSSES = {
    "level": LevelLoss,
    "hxe": HierarchicalCrossEntropy,
    "soft_labels": SoftLabels,
}
_SET_LOSSES = {
    "max_constraint": MaxConstraintLoss,
    "cross_entropy": CrossEntropyLoss,
}
_SOLVERS = {"lbfgs": LBFGS, "adam": Adam}


def resolve_loss(loss: Any) -> PathLoss:
    """Return the loss of one path of that name, or the loss itself.

    Parameters
    ----------
    loss : {"level", "hxe", "soft_labels"}, LevelLoss, HierarchicalCrossEntropy or SoftLabels
        A name, or an object.

    Returns
    -------
    loss : LevelLoss, HierarchicalCrossEntropy or SoftLabels
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.objectives import resolve_loss
    >>> resolve_loss("soft_labels")
    SoftLabels()
    """
    resolved: PathLoss = _resolved("loss", loss, _PATH_LOSSES)
    return resolved


def resolve_set_loss(loss: Any) -> SetLoss:
    """Return the loss of label sets of that name, or the loss itself.

    Parameters
    ----------
    loss : {"max_constraint", "cross_entropy"}, MaxConstraintLoss or CrossEntropyLoss
        A name, or an object.

    Returns
    -------
    loss : MaxConstraintLoss or CrossEntropyLoss
        For a name a new object.

    Raises
    ------
    ValueError
        For an unknown name or object.

    Examples
    --------
    >>> from sklhier.objectives import resolve_set_loss
    >>> resolve_set_loss("max_constraint")
    MaxConstraintLoss()
    """
    resolved: SetLoss = _resolved("loss", loss, _SET_LOSSES)
    return resolved


def resolve_solver(solver: Any) -> Solver | None:
    """Return the solver of that name, the solver itself, or None for ``"auto"``.

    Parameters
    ----------
    solver : {"auto", "lbfgs", "adam"}, LBFGS or Adam
        A name, or an object.

    Returns
    -------
    solver : LBFGS, Adam or None
        For a name a new object, with default parameters.

    Raises
    ------
    ValueError
        For an unknown name or object, or a parameter outside its range.

    Examples
    --------
    >>> from sklhier.objectives import resolve_solver
    >>> resolve_solver("adam"), resolve_solver("auto")
    (Adam(), None)
    """
    if _is_auto(solver):
        return None
    resolved: Solver = _resolved("solver", solver, _SOLVERS, "auto")
    return resolved


def _resolved(name: str, given: Any, kinds: dict[str, Any], *others: str) -> Any:
    """Return a part by its name, or the part itself, checked."""
    part = kinds[given]() if isinstance(given, str) and given in kinds else given
    if not any(isinstance(part, kind) for kind in kinds.values()):
        names = ", ".join(map(repr, [*others, *kinds]))
        classes = ", ".join(kind.__name__ for kind in kinds.values())
        raise ValueError(f"`{name}` must be one of {names}, or a {classes}; got {given!r}.")
    part.check()
    return part
