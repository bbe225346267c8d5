"""Report of accuracy by level, of averages, and of every node."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sklhier._utils.typing import Bools, Floats, NodeIds, RandomState, SampleWeight, Target
from sklhier._utils.validation import check_choice, check_integer, check_number
from sklhier.metrics._attribution import attribution_of, records_of
from sklhier.metrics._bootstrap import bootstrap_intervals
from sklhier.metrics._confusion import confused_children
from sklhier.metrics._coverage import coverage_of, never_wrong
from sklhier.metrics._distances import node_distances
from sklhier.metrics._input import Compared, read_closures
from sklhier.metrics._mistakes import first_mistakes
from sklhier.metrics._report_output import MEASURES, OUTPUTS, Report, Worst
from sklhier.metrics._scores import check_options, scores_of
from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._parsing import sort_key
from sklhier.taxonomy._taxonomy import TaxonomyLike

__all__ = ["hierarchical_classification_report"]

_SORTS = ("precision", "recall", "f1", "support", "stopped", "name", None)
_LEAST_FIRST = ("precision", "recall", "f1")


def hierarchical_classification_report(
    y_true: Target,
    y_pred: Target,
    *,
    taxonomy: TaxonomyLike | None = None,
    max_depth: int | None = None,
    sample_weight: SampleWeight = None,
    digits: int = 3,
    output: str = "text",
    zero_division: float = 0.0,
    deeper: str = "count",
    classes: npt.ArrayLike | None = None,
    missing: str = "error",
    titles: Any = None,
    sort: str | None = None,
    min_support: float = 0.0,
    worst: int = 0,
    n_bootstraps: int = 0,
    confidence_level: float = 0.95,
    random_state: RandomState = 0,
) -> Any:
    """Report accuracy by level, averages, and precision, recall and F1 of each node.

    An answer that ends above the truth is an abstention. It lowers accuracy and recall, but the
    report counts it separately from errors, as ``coverage`` and ``stopped``; the text shows these
    columns if there are such answers.

    Parameters
    ----------
    y_true, y_pred : array-like
        Labels in any format.
    taxonomy : Taxonomy or networkx.DiGraph, default=None
        Tree or DAG of the labels. Optional if both `y` hold paths.
    max_depth : int, default=None
        Deepest level whose nodes are listed; 0 lists none, None lists all.
    sample_weight : array-like, shape (n_samples,), default=None
        Weights of the samples.
    digits : int, default=3
        Decimal places in the text.
    output : {"text", "html", "dict", "frame"}, default="text"
        A string; HTML with tables and without scripts; nested dictionaries; or a
        :class:`pandas.DataFrame` of the nodes and averages.
    zero_division : float, default=0.0
        Value of undefined scores; NaN leaves them out of averages.
    deeper : {"count", "ok"}, default="count"
        Predicted nodes below a true label that is an inner node: wrong like any others
        (``"count"``), or left out, since the label does not say what is below it (``"ok"``).
    classes : array-like, default=None
        Labels of the columns of an indicator, as in the classifiers. Other formats name their
        labels themselves.
    missing : {"error", "ignore"}, default="error"
        Missing cells (NaN, None, masked) of an indicator in `y_true`: an error, or not annotated
        and left out of all counts. An ancestor of a 1 counts as 1; other ancestors of a missing
        cell are not annotated either.
    titles : mapping, sequence or False, default=None
        Titles to show instead of those of the taxonomy, as for :meth:`Taxonomy.with_titles`; False
        for none.
    sort : {"precision", "recall", "f1", "support", "stopped", "name"}, default=None
        Order of the nodes: lowest precision, recall or F1 first; largest support or number of stops
        first; or by name. None keeps the order of the taxonomy.
    min_support : float, default=0.0
        Nodes with less support are not listed, but count in the averages.
    worst : int, default=0
        Number of nodes with the most errors, and of most confused pairs, to show as well; see
        :func:`error_attribution` and :func:`most_confused_pairs`.
    n_bootstraps : int, default=0
        Number of resamples for percentile intervals of all scores [1]_; 0 for none. Single samples
        are drawn: intervals are too narrow if samples depend on each other.
    confidence_level : float, default=0.95
        Nominal coverage of each interval, in (0, 1).
    random_state : int, RandomState instance or None, default=0
        Seed of the resamples.

    Returns
    -------
    report : str, dict or pandas.DataFrame
        The dictionary has these keys:

        - ``"levels"``: a list of ``level``, ``accuracy``, ``support`` (samples whose truth reaches
          the level), ``coverage`` (share of these that are answered there) and ``precision`` (share
          of the answers there that are right); for trees with one label for each sample only.
        - ``"averages"``: ``"micro"``, ``"samples"`` and ``"macro"``. The macro average is over the
          nodes that occur in `y_true` or `y_pred`. The support is the number of true nodes of all
          samples (micro), of samples, or of nodes (macro).
        - ``"tree_distance"``: as for levels, else None.
        - ``"nodes"``: by name, those that occur. ``support`` is the number of samples, ``stopped``
          that of samples of the node whose answer is right but ends above it. Nodes with a title
          have a ``title``.
        - ``"coverage"``: what :func:`coverage_report` says of all samples.
        - ``"worst_nodes"`` and ``"confused_pairs"`` with `worst`: lists of dictionaries.
        - ``"intervals"`` with `n_bootstraps`: as above, with pairs of a lower and an upper end in
          place of numbers. Resamples in which a score of a node or level is undefined are left out.

        The frame has a row for each node and average; with intervals also columns such as ``f1_low``
        and ``f1_high``.

    Raises
    ------
    TargetError
        For labels that are not in the taxonomy, and for 1-D labels without a taxonomy.
    TaxonomyError
        For titles of unknown names.
    ValueError
        For parameters outside their range.

    References
    ----------
    .. [1] B. Efron, R. J. Tibshirani. An introduction to the bootstrap. Chapman &
       Hall (1993).

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.metrics import hierarchical_classification_report
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel"]})
    >>> y_true, y_pred = ["owl", "eel", "wren", "owl"], ["wren", "eel", "wren", "owl"]
    >>> print(hierarchical_classification_report(y_true, y_pred, taxonomy=taxonomy))
                       accuracy      support
    level 1               1.000            4
    level 2               0.750            4
    <BLANKLINE>
                      precision       recall           f1      support
    micro average         0.875        0.875        0.875            8
    samples average       0.875        0.875        0.875            4
    macro average         0.900        0.900        0.867            5
    <BLANKLINE>
    bird                  1.000        1.000        1.000            3
      owl                 1.000        0.500        0.667            2
      wren                0.500        1.000        0.667            1
    fish                  1.000        1.000        1.000            1
      eel                 1.000        1.000        1.000            1
    <BLANKLINE>
    mean distance between true and predicted node: 0.500 edges

    Answers that stop early:

    >>> print(
    ...     hierarchical_classification_report(
    ...         ["owl", "eel", "owl"], ["bird", "owl", None], taxonomy=taxonomy, max_depth=0, worst=1
    ...     )
    ... )
                       accuracy     coverage    precision      support
    level 1               0.333        0.667        0.500            3
    level 2               0.000        0.333        0.000            3
    <BLANKLINE>
                      precision       recall           f1      support
    micro average         0.333        0.167        0.222            6
    samples average       0.333        0.167        0.222            3
    macro average         0.125        0.125        0.125            4
    <BLANKLINE>
    mean distance between true and predicted node: 2.333 edges
    no answer: 0.333; answered to the depth of the truth: 0.333; answers without a wrong node: 0.500
    <BLANKLINE>
    most errors arise at  arrived  wrong turn  stopped early  too deep  share
    <root>                      3           1              1         0  66.7%
    <BLANKLINE>
    most confused  taken for  count
    fish           bird           1
    """
    check_options(average="micro", zero_division=zero_division)
    check_choice("output", output, tuple(OUTPUTS))
    check_choice("sort", sort, _SORTS)
    check_number("min_support", min_support, least=0)
    check_integer("worst", worst, least=0)
    check_integer("n_bootstraps", n_bootstraps, least=0)
    check_number("confidence_level", confidence_level, above=0, below=1)
    read = _with_titles(
        read_closures(
            y_true,
            y_pred,
            taxonomy,
            sample_weight,
            classes=classes,
            missing=missing,
            deeper=deeper,
        ),
        titles,
    )
    occurs = np.asarray((read.weights @ read.true + read.weights @ read.predicted) > 0)
    averages, rows = _scores(read, occurs, zero_division)
    listed = _listed(read.taxonomy, occurs & (_padded(rows[:, 3]) >= min_support), max_depth)
    if sort is not None:
        listed = _sorted(listed, rows[listed - 1], read.taxonomy, sort)
    distances = _distances(read)
    intervals = None
    if n_bootstraps:
        intervals = bootstrap_intervals(
            read,
            distances,
            listed,
            n_bootstraps=n_bootstraps,
            confidence_level=confidence_level,
            random_state=random_state,
            zero_division=float(zero_division),
        )
    return OUTPUTS[output](
        Report(
            read.taxonomy,
            listed,
            rows[listed - 1],
            averages,
            coverage_of(read),
            None if distances is None else float(np.average(distances, weights=read.weights)),
            _worst(read, worst) if worst else None,
            intervals,
            confidence_level,
            sort is None,
            digits,
        )
    )


def _with_titles(read: Compared, titles: Any) -> Compared:
    if titles is None:
        return read
    return read._replace(taxonomy=read.taxonomy.with_titles({} if titles is False else titles))


def _padded(of_node: Floats) -> Floats:
    """Return numbers of all nodes but the root with one for the root."""
    return np.append(np.inf, of_node)


def _scores(
    read: Compared, occurs: Bools, zero_division: float
) -> tuple[dict[str, dict[str, float]], Floats]:
    """Return the averages, and a row of measures and stops for each node but the root."""
    tables = {
        average: scores_of(
            read,
            average=average,
            # Nodes that occur nowhere are not listed, and would pull the macro average to 0.
            node_weight=occurs[1:].astype(float) if average == "macro" else None,
            zero_division=zero_division,
            warn_for=(),
        )
        for average in ("micro", "samples", "macro", None)
    }
    counts = {"micro": tables["micro"][3], "samples": read.weights.sum(), "macro": occurs.sum()}
    averages = {
        name: dict(zip(MEASURES, (*tables[name][:3], float(count)), strict=True))
        for name, count in counts.items()
    }
    # Where an answer has no wrong node, what it lacks is below its ends.
    right = read.weights * never_wrong(read)
    stopped = right @ read.true - right @ read.predicted
    return averages, np.column_stack([*tables[None], stopped[1:]])


def _distances(read: Compared) -> Floats | None:
    """Return the distance between truth and prediction of each sample; None for sets and DAGs."""
    if not read.taxonomy.is_tree or any(form.several for form in read.forms):
        return None
    true, predicted = (form.nodes(read.taxonomy) for form in read.forms)
    return node_distances(true, predicted, read.taxonomy).astype(np.float64)


def _worst(read: Compared, n: int) -> Worst:
    return Worst(
        attribution_of(read).records()[:n],
        records_of(confused_children(read, first_mistakes(read), n)),
    )


def _listed(taxonomy: Taxonomy, occurs: Bools, max_depth: int | None) -> NodeIds:
    """Return the ids of the nodes to list, those of a tree in preorder."""
    shown = occurs.copy()
    shown[0] = False
    if max_depth is not None:
        shown &= taxonomy.depths <= max_depth
    nodes = np.flatnonzero(shown).astype(np.int32)
    return nodes[np.argsort(taxonomy.preorder_positions[nodes])] if taxonomy.is_tree else nodes


def _sorted(listed: NodeIds, rows: Floats, taxonomy: Taxonomy, sort: str) -> NodeIds:
    """Return nodes in another order; equal ones stay in that of the taxonomy."""
    if sort == "name":
        names = [sort_key(taxonomy.nodes[node]) for node in listed.tolist()]
        return listed[sorted(range(len(listed)), key=names.__getitem__)]
    values = rows[:, (*MEASURES, "stopped").index(sort)]
    return listed[np.argsort(values if sort in _LEAST_FIRST else -values, kind="stable")]
