"""Coverage of answers: how far they go, and how right they are as far as they go."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sklhier._utils.tables import html_table, text_table
from sklhier._utils.typing import Bools, Floats, Groups, SampleWeight, Target
from sklhier.metrics._groups import group_table, levels_reached, read_groups
from sklhier.metrics._input import Compared, read_closures
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = [
    "CoverageReport",
    "LevelSums",
    "coverage_of",
    "coverage_report",
    "coverage_sums",
    "level_sums",
    "never_wrong",
]

_MEASURES = (
    "support",
    "coverage",
    "depth_kept",
    "complete",
    "at_root",
    "precision",
    "error",
    "accuracy",
)
_OF_LEVELS = ("support", "coverage", "precision", "accuracy")

LevelSums: TypeAlias = tuple[
    sparse.csr_array, sparse.csr_array, sparse.csr_array, sparse.csr_array, sparse.csr_array
]


@dataclass(frozen=True, repr=False, eq=False)
class CoverageReport:
    """Result of :func:`coverage_report`; shares are in [0, 1], NaN without samples.

    Attributes
    ----------
    support : float
        Weight of the samples.
    coverage : float
        Share of the samples with an answer: at least one node below the root.
    depth_kept : float
        Number of answered levels divided by the number of levels that the truth reaches, both
        summed over the samples.
    complete : float
        Share of the samples answered at all levels that the truth reaches.
    at_root : float
        Share of the samples without an answer, ``1 - coverage``.
    precision : float
        Share of the samples with an answer whose answer has no wrong node: it is the truth or stops
        above it.
    error : float
        Share of all samples with a wrong node in their answer, ``coverage * (1 - precision)``.
    accuracy : float
        Share of all samples whose answer is exactly the truth.
    level_support : ndarray of float64, shape (n_levels,)
        Weight of the samples whose truth reaches each level.
    level_coverage : ndarray of float64, shape (n_levels,)
        Share of these samples that are answered there.
    level_precision : ndarray of float64, shape (n_levels,)
        Share of the answered nodes of each level that are correct.
    level_accuracy : ndarray of float64, shape (n_levels,)
        Share of the true nodes of each level that are answered, as in :func:`level_accuracy_scores`
        for one label each.
    groups : mapping of group to CoverageReport
        The same for each group of samples; empty without `groups`.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import coverage_report
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "owl", "wren", "eel"], ["owl", "bird", "owl", None]
    >>> report = coverage_report(y_true, y_pred, taxonomy=taxonomy)
    >>> report.coverage, report.at_root, report.error, report.depth_kept
    (0.75, 0.25, 0.25, 0.625)
    >>> report.level_coverage, report.level_precision
    (array([0.75, 0.5 ]), array([1. , 0.5]))
    """

    support: float
    coverage: float
    depth_kept: float
    complete: float
    at_root: float
    precision: float
    error: float
    accuracy: float
    level_support: Floats
    level_coverage: Floats
    level_precision: Floats
    level_accuracy: Floats
    groups: Mapping[Hashable, CoverageReport] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return nested dictionaries of plain numbers: ``"levels"`` and ``"groups"`` among them."""
        columns = [getattr(self, f"level_{name}").tolist() for name in _OF_LEVELS]
        levels = [
            {"level": level, **dict(zip(_OF_LEVELS, row, strict=True))}
            for level, row in enumerate(zip(*columns, strict=True), start=1)
        ]
        groups = {name: group.to_dict() for name, group in self.groups.items()}
        return {
            **{name: getattr(self, name) for name in _MEASURES},
            "levels": levels,
            **({"groups": groups} if groups else {}),
        }

    def to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame`: a row for all samples, and one for each group.

        The index has the groups, ``"all"`` for all samples.
        """
        import pandas as pd

        parts = [self, *self.groups.values()]
        rows = [[getattr(part, name) for name in _MEASURES] for part in parts]
        index = pd.Index(["all", *self.groups], name="group", dtype=object, tupleize_cols=False)
        return pd.DataFrame(rows, columns=list(_MEASURES), index=index)

    def levels_to_frame(self) -> Any:
        """Return a :class:`pandas.DataFrame` with a row for each group and level, ``"all"`` first."""
        import pandas as pd

        parts = [("all", self), *self.groups.items()]
        n_levels = len(self.level_support)
        names = np.empty(len(parts), dtype=object)
        names[:] = [name for name, _ in parts]
        columns = {
            name: np.concatenate([getattr(part, f"level_{name}") for _, part in parts])
            for name in _OF_LEVELS
        }
        return pd.DataFrame(
            {
                "group": np.repeat(names, n_levels),
                "level": np.tile(np.arange(1, n_levels + 1), len(parts)),
                **columns,
            }
        )

    def _rows(self) -> list[list[str]]:
        head = [name.replace("_", " ") for name in _MEASURES]
        rows = [["", *head], ["all", *self._cells()]]
        return rows + [[str(name), *group._cells()] for name, group in self.groups.items()]

    def _cells(self) -> list[str]:
        shares = (f"{getattr(self, name):.3f}" for name in _MEASURES[1:])
        return [f"{self.support:.10g}", *shares]

    def _level_rows(self) -> list[list[str]]:
        table = np.column_stack([getattr(self, f"level_{name}") for name in _OF_LEVELS])
        return [
            ["", *_OF_LEVELS],
            *(
                [f"level {level}", f"{support:.10g}", *(f"{share:.3f}" for share in shares)]
                for level, (support, *shares) in enumerate(table, start=1)
            ),
        ]

    def __repr__(self) -> str:
        return (
            f"CoverageReport(coverage={self.coverage:.3f}, depth_kept={self.depth_kept:.3f}, "
            f"precision={self.precision:.3f}, n_groups={len(self.groups)})"
        )

    def __str__(self) -> str:
        return "\n\n".join([text_table(self._rows()), text_table(self._level_rows())])

    def _repr_html_(self) -> str:
        return html_table(self._rows()) + html_table(self._level_rows())


def coverage_report(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    groups: Groups = None,
    sample_weight: SampleWeight = None,
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
) -> CoverageReport:
    """Report the depth of answers, and their precision as far as they go.

    For classifiers that may stop early or not answer at all: an answer that ends above the truth is
    an abstention, not an error. Look at levels and groups: a model that does well overall may
    answer hardly anything in one group.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format. None, or an empty path or collection, is no answer.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    groups : array-like, shape (n_samples,), default=None
        A hashable value for each sample, such as a site, a language or the true first level.
        Missing values form the group None.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    deeper : {"count", "ok"}, default="count"
        Predicted nodes below a most specific true node: wrong (``"count"``) or left out (``"ok"``).
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells of an indicator in `y_true`: an error, or not annotated and left out of all
        counts.

    Returns
    -------
    report : CoverageReport
        Coverage, depth kept, share at the root and precision of the answers, by level and group.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, for 1-D labels without a taxonomy, and for a wrong
        number of groups.
    TypeError
        For groups that cannot be hashed.

    See Also
    --------
    risk_coverage_curve : The risk of larger or smaller shares of answers.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import coverage_report
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "owl", "wren", "eel"], ["owl", "bird", "owl", None]
    >>> report = coverage_report(
    ...     y_true, y_pred, taxonomy=taxonomy, groups=["zoo", "zoo", "wild", "wild"]
    ... )
    >>> print(report)
          support  coverage  depth kept  complete  at root  precision  error  accuracy
    all         4     0.750       0.625     0.500    0.250      0.667  0.250     0.250
    wild        2     0.500       0.500     0.500    0.500      0.000  0.500     0.000
    zoo         2     1.000       0.750     0.500    0.000      1.000  0.000     0.500
    <BLANKLINE>
             support  coverage  precision  accuracy
    level 1        4     0.750      1.000     0.750
    level 2        4     0.500      0.500     0.250
    """
    read = read_closures(
        y_true,
        y_pred,
        taxonomy,
        sample_weight,
        classes=classes,
        missing=missing,
        deeper=deeper,
    )
    return coverage_of(read, groups)


def coverage_of(read: Compared, groups: Groups = None) -> CoverageReport:
    """Return what :func:`coverage_report` does, of closures."""
    names: Sequence[Hashable] = []
    table = sparse.csr_array(read.weights[None, :])
    if groups is not None:
        names, codes = read_groups(groups, len(read.weights))
        table = group_table(codes, read.weights, len(names))
    levels = level_sums(read)
    sums = np.asarray(table @ coverage_sums(read, levels))
    by_level = [np.asarray((table @ part).toarray()) for part in levels]
    everything, *parts = (
        _report(sums[i], *(part[i] for part in by_level)) for i in range(len(sums))
    )
    return replace(everything, groups=dict(zip(names, parts, strict=True)))


def coverage_sums(read: Compared, levels: LevelSums) -> Floats:
    """Return, for each sample, 1, and 1 or 0: has an answer, is complete, is wrong, is exact.

    Coverage is ratios of sums of these, shape (n_samples, 5).
    """
    reached, kept, *_ = levels
    n_true, n_predicted = np.diff(read.true.indptr), np.diff(read.predicted.indptr)
    right = never_wrong(read)
    return np.column_stack(
        [
            np.ones(len(right)),
            n_predicted > 0,
            np.diff(kept.indptr) == np.diff(reached.indptr),
            ~right,
            right & (n_predicted == n_true),
        ]
    ).astype(np.float64)


def never_wrong(read: Compared) -> Bools:
    """Return whether the answer of each sample has true nodes only; no answer has none."""
    right: Bools = np.asarray(read.true.multiply(read.predicted).sum(axis=1)) == np.diff(
        read.predicted.indptr
    )
    return right


def level_sums(read: Compared) -> LevelSums:
    """Return tables of samples and levels that coverage, precision and accuracy are ratios of.

    Whether the truth reaches a level, and is answered there; how many nodes there are true, are
    predicted, and are both.
    """
    true, predicted, both = (
        levels_reached(part, read.taxonomy)
        for part in (
            read.true,
            read.predicted,
            sparse.csr_array(read.true.multiply(read.predicted)),
        )
    )
    reached, answered = true.astype(bool), predicted.astype(bool)
    kept = sparse.csr_array(reached.multiply(answered))
    return reached.astype(np.float64), kept.astype(np.float64), true, predicted, both


def _report(
    sums: Floats,
    reached: Floats,
    kept: Floats,
    n_true: Floats,
    n_predicted: Floats,
    n_common: Floats,
) -> CoverageReport:
    support, answered, complete, wrong, exact = sums.tolist()
    return CoverageReport(
        support,
        _share(answered, support),
        _share(float(kept.sum()), float(reached.sum())),
        _share(complete, support),
        _share(support - answered, support),
        _share(answered - wrong, answered),
        _share(wrong, support),
        _share(exact, support),
        reached,
        _shares(kept, reached),
        _shares(n_common, n_predicted),
        _shares(n_common, n_true),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def _shares(parts: Floats, wholes: Floats) -> Floats:
    return np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)
