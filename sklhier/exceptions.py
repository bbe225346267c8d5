"""Errors and warnings, each with the constructors that word it.

Every error is a :class:`ValueError`, so that code written for scikit-learn keeps
working. Its message states the rule, the value that broke it, and a remedy.
"""

from __future__ import annotations

import difflib
import pickle
import reprlib
import traceback
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from joblib import wrap_non_picklable_objects

__all__ = [
    "IncompatiblePartsError",
    "LeakageWarning",
    "LocalFitError",
    "LocalPredictError",
    "RareClassWarning",
    "TargetError",
    "TaxonomyError",
    "TaxonomyWarning",
    "VersionWarning",
]
__dir__ = __all__.copy  # completion shows public names alone

# Above this many names a fuzzy search is confined to names with the same first letter.
_FUZZY_LIMIT = 20_000


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlong = 40
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = _SHORT.maxfrozenset = _SHORT.maxdict = 12
_SHORT.maxlevel = 4


def shown(value: object) -> str:
    """Return a value as it prints, cut in the middle if long."""
    text = _SHORT.repr(value)
    return text if len(text) <= 300 else f"{text[:150]}...{text[-140:]}"


def quoted(names: Iterable[Hashable], limit: int = 5) -> str:
    """Return ``'a', 'b', 'c', ...`` for the first `limit` of `names`, long ones cut."""
    names = list(names)
    listed = ", ".join(map(shown, names[:limit]))
    return f"{listed}, ... ({len(names)} in all)" if len(names) > limit else listed


def nearest_names(name: Hashable, names: Iterable[Hashable], limit: int = 3) -> list[Hashable]:
    """Return the names that look most like `name`, best first."""
    by_text = {str(other): other for other in names}
    wanted = str(name)
    if len(by_text) > _FUZZY_LIMIT:
        first = wanted[:1].casefold()
        by_text = {text: o for text, o in by_text.items() if text[:1].casefold() == first}
    folded = {text.casefold(): other for text, other in by_text.items()}
    matches = difflib.get_close_matches(wanted.casefold(), list(folded), n=limit, cutoff=0.5)
    return [folded[match] for match in matches]


def _did_you_mean(name: Hashable, names: Iterable[Hashable]) -> str:
    # A comparison of long texts takes long, and tells nobody anything.
    near = nearest_names(name, names) if len(str(name)) <= _LONGEST_NAME else []
    if not near:
        return ""
    return f" Nearest names: {quoted(near)}{_difference(name, near[0])}."


_LONGEST_NAME = 500


def _difference(name: Hashable, other: Hashable) -> str:
    """Say how two names differ that may look alike, or nothing if one can see it."""
    first, second = str(name), str(other)
    if first == second:
        return f" (of type {type(other).__name__}, not {type(name).__name__})"
    for what, form in _ALIKE:
        if form(first) == form(second):
            return f" (which differs in {what} only)"
    return ""


def _visible(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc", "Mn"))


_ALIKE: tuple[tuple[str, Any], ...] = (
    ("composed letters", lambda text: unicodedata.normalize("NFC", text)),
    ("blanks", lambda text: "".join(text.split())),
    ("letters that look alike", lambda text: unicodedata.normalize("NFKC", text)),
    ("invisible characters", _visible),
    ("case", str.casefold),
    ("case, blanks or invisible characters",
     lambda text: _visible("".join(unicodedata.normalize("NFKC", text).casefold().split()))),
)  # fmt: skip


_LONGEST_MESSAGE = 1000


class _ShortError(ValueError):
    """An error whose message is cut if long: the rule stands at its head, advice at its end."""

    def __init__(self, message: str = "") -> None:
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:640]} ... {message[-340:]}"
        super().__init__(message)


class TaxonomyError(_ShortError):
    """A taxonomy cannot be built, or does not support a request.

    Examples
    --------
    >>> from sklhier import Taxonomy
    >>> from sklhier.exceptions import TaxonomyError
    >>> try:
    ...     Taxonomy.from_dict({"pet": ["cat", "dog"]}).id("dgo")
    ... except TaxonomyError as error:
    ...     print(error)
    The taxonomy has no node 'dgo'. Nearest names: 'dog'.
    """

    @classmethod
    def empty(cls) -> Self:
        """No node at all."""
        return cls("A taxonomy must have at least one node besides its root, got none.")

    @classmethod
    def bad_name(cls, name: object, where: str) -> Self:
        """A name that is missing or cannot be hashed."""
        return cls(
            f"{shown(name)} cannot name a node ({where}): names must be hashable and neither None, "
            "NaN nor NaT. Fill in or drop the missing names first."
        )

    @classmethod
    def cycle(cls, names: Sequence[Hashable]) -> Self:
        """A node that is its own ancestor."""
        route = " -> ".join(map(shown, names[:12]))
        more = " -> ..." if len(names) > 12 else ""
        return cls(
            f"The edges form a cycle: {route}{more}. "
            "A taxonomy must not have one: remove one of these edges."
        )

    @classmethod
    def duplicate_edge(cls, parent: Hashable, child: Hashable) -> Self:
        """The same edge twice."""
        return cls(f"Edges must be distinct, got {shown(parent)} -> {shown(child)} twice.")

    @classmethod
    def parent_conflict(cls, child: Hashable, first: Hashable, second: Hashable) -> Self:
        """One name under two parents of a tree."""
        places = ["at the top" if p is None else f"under {shown(p)}" for p in (first, second)]
        return cls(
            f"{shown(child)} is {' and '.join(places)}. If these are two classes, "
            "give them different names or use `from_paths`, where the whole path is the name; "
            "if one class has two parents, use `from_edges`."
        )

    @classmethod
    def unreachable(cls, nodes: Sequence[Hashable], root: Hashable) -> Self:
        """Nodes that no path from the root reaches."""
        return cls(
            f"No path leads from the root {shown(root)} to {quoted(nodes)}. "
            "Add the missing edges, or leave `root` out to have several roots."
        )

    @classmethod
    def unknown(cls, name: Hashable, names: Iterable[Hashable]) -> Self:
        """A node that the taxonomy does not have."""
        return cls(f"The taxonomy has no node {shown(name)}.{_did_you_mean(name, names)}")

    @classmethod
    def too_large(cls, n_entries: int, needed: float, memory: float) -> Self:
        """A table of ancestors that does not fit in memory."""
        return cls(
            f"A table of nodes and their ancestors must fit in memory, but it would have about "
            f"{n_entries:,} entries and take {needed / 2**30:,.1f} GiB of {memory / 2**30:,.1f} GiB. "
            "Pass fewer distinct labels at a time, or a taxonomy with fewer levels."
        )

    @classmethod
    def not_a_tree(cls, what: str, name: Hashable, parents: Sequence[Hashable]) -> Self:
        """Something that only a tree can answer."""
        return cls(
            f"{what} needs a tree, but the taxonomy is a DAG: {shown(name)} has the parents "
            f"{quoted(parents)}."
        )


class TargetError(_ShortError):
    """Labels that cannot be read, or that are not in the taxonomy.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.exceptions import TargetError
    >>> taxonomy = Taxonomy.from_dict({"pet": ["cat", "dog"]})
    >>> try:
    ...     HierarchicalClassifier(taxonomy=taxonomy).fit([[0], [1]], ["cat", "dgo"])
    ... except TargetError as error:
    ...     print(error)
    1 label(s) are not in the taxonomy: 'dgo'. Nearest names: 'dog'.
    """

    @classmethod
    def unknown(
        cls, labels: Sequence[Hashable], names: Iterable[Hashable], hint: str = ""
    ) -> Self:
        """Labels that name no node of the taxonomy."""
        return cls(
            f"{len(labels)} label(s) are not in the taxonomy: {quoted(labels)}."
            f"{_did_you_mean(labels[0], names)}{hint}"
        )

    @classmethod
    def unknown_path(cls, path: Sequence[object], step: int, names: Iterable[Hashable]) -> Self:
        """A path that leaves the taxonomy."""
        where = f"under {shown(path[step - 1])}" if step else "at the first level"
        return cls(
            f"The path {shown(tuple(path))} is not in the taxonomy: there is no {shown(path[step])} "
            f"{where}.{_did_you_mean(path[step], names)}"
        )

    @classmethod
    def names_root(cls, name: Hashable, where: str = "") -> Self:
        """A label that is the root, which belongs to every sample."""
        return cls(
            f"{shown(name)}{where} names the root, which is not a class. Build the taxonomy with "
            "`root=None` to make it one; a sample without a label has None, or an empty collection."
        )

    @classmethod
    def bad_step(cls, row: int, level: int, value: object) -> Self:
        """A list or another object without a hash in a column of steps."""
        return cls(
            f"Row {row} holds {shown(value)} at level {level + 1}, which cannot be a step: steps "
            "are strings, numbers or other hashable objects."
        )

    @classmethod
    def missing(cls, row: int) -> Self:
        """A row without a label."""
        return cls(
            f"The label of row {row} is missing (None, NaN or an empty path). "
            "Drop such rows, or label them with the deepest known node."
        )

    @classmethod
    def hole(cls, row: int, path: Sequence[object]) -> Self:
        """A path with a gap in it."""
        return cls(
            f"Row {row} has a gap in its path {shown(tuple(path))}: padding (None, NaN or '') may "
            "only follow the last known level. `Taxonomy.from_levels` (and `from_paths`) makes "
            "labels and a taxonomy for fit: gaps='skip' leaves the missing level out, gaps='fill' "
            "inserts a node that is named after its parent."
        )

    @classmethod
    def one_label_each(cls) -> Self:
        """Sets of labels where each row has one."""
        return cls(
            "There must be one label or path for each sample, got sets of labels. Use metrics that "
            "take sets (hierarchical precision, recall and F, H-loss, HMC-loss, MGIA and ICM), or a "
            "decoder that answers with single nodes."
        )

    @classmethod
    def no_collection(cls, row: int, labels: object) -> Self:
        """A single label where each row has a set of them."""
        return cls(
            f"Row {row} must be a collection of labels, got {shown(labels)}. "
            "Put a single label into a set."
        )

    @classmethod
    def bad_member(cls, row: int, label: object) -> Self:
        """Something in a set of labels that is missing, or cannot be a label."""
        return cls(
            f"Row {row} holds {shown(label)}, which cannot be a label. Leave it out; a sample "
            "without labels has an empty collection."
        )

    @classmethod
    def no_bit(cls, value: object) -> Self:
        """A value in an indicator that is neither 0 nor 1."""
        return cls(
            f"An indicator must hold only 0 and 1, got {shown(value)}. Round scores first; "
            "pass labels as one collection for each sample, such as [['a', 'b'], ['c']]."
        )

    @classmethod
    def looks_like_indicator(cls, shape: tuple[int, ...]) -> Self:
        """A 0/1 matrix where paths are expected."""
        return cls(
            f"y is a numeric 0/1 array of shape {shape}, which looks like a multi-label indicator, "
            "not like a path of labels for each row. HierarchicalClassifier predicts one path "
            "for each sample: pass 1-D labels, or use HierarchicalMultiLabelClassifier. If 0 and 1 "
            "really are level names, pass them as strings."
        )


_FEW = 10  # rows: with so few a failure is likely to be about their number
_FOR_FEW = "Use another estimator for nodes with few rows: pass `small_nodes=`."


class LocalFitError(ValueError):
    """A base estimator failed to fit at one node.

    Attributes
    ----------
    node : hashable
        Key of the model in ``estimators_``: the name of a node, or ``"level:k"``.
    n_rows : int
        Number of training rows of the node.
    original : Exception
        The error of the base estimator (also ``__cause__``). An error that a worker cannot send is
        replaced by a RuntimeError with its type and text.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.exceptions import LocalFitError
    >>> try:
    ...     HierarchicalClassifier(KNeighborsClassifier(3)).fit([[0], [1]], ["cat", "dog"])
    ... except LocalFitError as error:
    ...     print(error)
    KNeighborsClassifier failed at node <root>, fitted on 2 row(s): ValueError: ...
    """

    node: Hashable
    n_rows: int
    original: Exception

    _what = "fitted on"

    @classmethod
    def at(
        cls, original: Exception, estimator: object, where: tuple[Hashable, str], n_rows: int
    ) -> Self:
        """Failure of an estimator at a node, given the node's name and its description.

        A TypeError stays one, for callers that catch it.
        """
        kind = cls._typed() if isinstance(original, TypeError) else cls
        message = (
            f"{type(estimator).__name__} failed at {where[1]}, {cls._what} {n_rows} row(s): "
            f"{_told(original)}"
        )
        if cls is LocalFitError and n_rows <= _FEW:
            message += f"{'' if message.endswith('.') else '.'} {_FOR_FEW}"
        error = kind(message)
        error.node, error.n_rows, error.original = where[0], n_rows, original
        return error

    @classmethod
    def on_probe(
        cls, original: Exception, estimator: object, where: tuple[Hashable, str], n_rows: int
    ) -> Self:
        """An estimator that could be fitted at a node, but cannot predict for a row of it."""
        error = cls.at(original, estimator, where, n_rows)
        told = str(error).removesuffix(f" {_FOR_FEW}").removesuffix(".")
        error.args = (f"{told}. It cannot predict one of these rows. {_FOR_FEW}",)
        return error

    @classmethod
    def died(cls, original: Exception, places: Sequence[tuple[Hashable, str, int]]) -> Self:
        """Workers that ended while models were fitted: names, descriptions and rows of these."""
        listed = ", ".join(f"{where} ({n_rows} rows)" for _, where, n_rows in places[:5])
        more = f", ... ({len(places)} in all)" if len(places) > 5 else ""
        error = cls(
            f"A worker process died while models were fitted at {listed or 'unknown nodes'}{more}. "
            "It may have run out of memory, or a base estimator crashed. Use fewer workers, or "
            f"n_jobs=1 to see where it fails. ({_told(original, 200)})"
        )
        error.node, error.n_rows = (places[0][0], places[0][2]) if places else (None, 0)
        error.original = original
        return error

    @classmethod
    def _typed(cls) -> type[Self]:
        return _TYPED[cls]

    def prepare_to_travel(self) -> None:
        """Replace a cause that cannot be sent to another process, by its type, text and traceback."""
        if _packed(self.original) is None:
            self.__cause__ = RuntimeError(_told(self.original))
            self.__cause__.add_note("".join(traceback.format_exception(self.original)))
            self.__context__ = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how workers send the error, whatever the base estimator raised."""
        state = {name: value for name, value in vars(self).items() if name != "original"}
        packed = _packed(self.original)
        return _received, (type(self), self.args, state, packed, _told(self.original))


def _told(error: Exception, limit: int = 600) -> str:
    """Return the type and the text of an error, shortened."""
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= limit else f"{text[:limit]}..."


def _packed(error: Exception) -> bytes | None:
    """Return an error as bytes, or None if it cannot be made of them again."""
    # By reference to its class, or else with the class, as joblib sends what a script defines.
    for sent in (error, wrap_non_picklable_objects(error, keep_wrapper=False)):
        with suppress(Exception):  # whatever the class of a user's error raises there
            packed = pickle.dumps(sent)
            pickle.loads(packed)
            return packed
    return None


def _received(
    kind: type[LocalFitError],
    args: tuple[Any, ...],
    state: dict[str, Any],
    packed: bytes | None,
    told: str,
) -> LocalFitError:
    """Return an error as a worker sent it; what cannot be read keeps its type and text."""
    error = kind(*args)
    vars(error).update(state)
    error.original = RuntimeError(told)
    if packed is not None:
        # The class may be known to the worker alone, in which case the text has to do.
        with suppress(Exception):
            error.original = pickle.loads(packed)
    return error


class LocalPredictError(LocalFitError):
    """A base estimator failed to predict at one node.

    It has the attributes of a :class:`LocalFitError`; `n_rows` is the number of rows to predict.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.exceptions import LocalPredictError
    >>> model = HierarchicalClassifier(LogisticRegression()).fit([[0], [1]], ["cat", "dog"])
    >>> try:
    ...     model.predict([[float("nan")]])
    ... except LocalPredictError as error:
    ...     print(error)
    LogisticRegression failed at node <root>, predicting 1 row(s): ValueError: Input X contains NaN...
    """

    _what = "predicting"

    @classmethod
    def not_a_distribution(
        cls, estimator: object, where: tuple[Hashable, str], n_rows: int, what: str
    ) -> Self:
        """Scores that cannot be turned into probabilities."""
        return cls.at(
            ValueError(f"{what}. Use another base estimator at this node (`node_estimators`)"),
            estimator,
            where,
            n_rows,
        )


class _LocalFitTypeError(LocalFitError, TypeError):
    pass


class _LocalPredictTypeError(LocalPredictError, TypeError):
    pass


_TYPED: dict[type[LocalFitError], Any] = {
    LocalFitError: _LocalFitTypeError,
    LocalPredictError: _LocalPredictTypeError,
}


class IncompatiblePartsError(ValueError):
    """Two parts cannot be combined: one lacks an ability that the other needs.

    Examples
    --------
    >>> from sklearn.svm import LinearSVC
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.exceptions import IncompatiblePartsError
    >>> model = HierarchicalClassifier(LinearSVC(), decoder="threshold")
    >>> try:
    ...     model.fit([[0], [1]], ["cat", "dog"])
    ... except IncompatiblePartsError as error:
    ...     print(error)
    Threshold() needs probabilities, but LinearSVC has no predict_proba. Use
    calibration='temperature', or the decoder 'best_path' or 'top_down'.
    """

    @classmethod
    def needs(cls, part: object, ability: str, other: str, remedy: str) -> Self:
        """`part` needs an `ability` that `other` does not have."""
        return cls(f"{part!r} needs {ability}, but {other}. {remedy}")


class VersionWarning(UserWarning):
    """A model was loaded with other versions than it was saved with.

    Examples
    --------
    Load nothing that other versions saved:

    >>> import pickle
    >>> import warnings
    >>> from sklhier import HierarchicalClassifier
    >>> from sklhier.exceptions import VersionWarning
    >>> saved = pickle.dumps(HierarchicalClassifier())
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", VersionWarning)
    ...     model = pickle.loads(saved)
    """


class LeakageWarning(UserWarning):
    """Models learn from outputs that are better than those available in prediction.

    Also given for calibration rows that were in training.

    Examples
    --------
    >>> import warnings
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> taxonomy = Taxonomy.from_dict({"pet": ["cat", "dog"], "car": None})
    >>> model = HierarchicalClassifier(taxonomy=taxonomy, chain="true")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     model = model.fit([[0], [1], [2]], ["cat", "dog", "car"])
    >>> print(caught[0].category.__name__, caught[0].message)
    LeakageWarning Chain(training='true') trains models on features that do not exist in ...
    """

    @classmethod
    def of(cls, chain: object) -> Self:
        """A chain that shows no out-of-fold outputs."""
        return cls(
            f"{chain!r} trains models on features that do not exist in prediction: outputs for "
            "samples that the models above have memorised, or true labels. Use it for "
            "comparison only; training='out_of_fold' is safe."
        )


class TaxonomyWarning(UserWarning):
    """A taxonomy was built, but perhaps not the intended one.

    Examples
    --------
    >>> import warnings
    >>> from sklhier import Taxonomy
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     y, taxonomy = Taxonomy.from_paths(["all/cat", "all/dog"])
    >>> print(caught[0].category.__name__, caught[0].message)
    TaxonomyWarning All paths begin with 'all', which says nothing about a sample but ...
    """

    @classmethod
    def constant_level(cls, step: Hashable) -> Self:
        """All paths begin with the same step."""
        return cls(
            f"All paths begin with {shown(step)}, which says nothing about a sample but counts in "
            f"every hierarchical metric. Pass root={shown(step)} to `from_paths` or `from_levels` to "
            "make it the root, which is not a class, or root=None to keep it as a class."
        )

    @classmethod
    def look_alikes(cls, groups: Sequence[Sequence[Hashable]]) -> Self:
        """Siblings with nearly the same names."""
        listed = "; ".join(" and ".join(map(shown, group[:3])) for group in groups[:3])
        more = f"; and {len(groups) - 3} more" if len(groups) > 3 else ""
        return cls(
            "Some siblings differ only in case, blanks or the Unicode form of their names: "
            f"{listed}{more}. They are different classes. If they should be one, write them alike "
            "first; `Taxonomy.lint` lists them all."
        )

    @classmethod
    def reversed_edges(cls, n_tops: int, n_ends: int) -> Self:
        """Edges that make more sense in the other direction."""
        return cls(
            "The edges seem to go from child to parent: read as (parent, child), they have "
            f"{n_tops} tops and {n_ends} node(s) without children. Pass direction='child_parent' to "
            "reverse them, or direction='parent_child' if they are right."
        )

    @classmethod
    def no_separator(cls, sep: str, label: str, other: str | None) -> Self:
        """Paths that do not hold their separator."""
        advice = (
            "If there are no levels, use `Taxonomy.flat`."
            if other is None
            else f"They all contain {other!r}: pass sep={other!r}."
        )
        return cls(
            f"No label contains the separator {sep!r} (such as {shown(label)}), so all labels are "
            f"children of the root. {advice}"
        )

    @classmethod
    def unread_paths(cls, label: str, sep: str) -> Self:
        """Labels that look like paths, but are read as names without a hierarchy."""
        return cls(
            f"Labels such as {shown(label)} look like paths with the separator {sep!r}, but without "
            "`taxonomy=` all labels are children of the root. Pass "
            f"taxonomy=Taxonomy.from_paths(y, sep={sep!r})[1], or taxonomy=Taxonomy.flat(y) if the "
            "labels have no levels."
        )


class RareClassWarning(UserWarning):
    """Some classes have only a few rows.

    Examples
    --------
    >>> import warnings
    >>> from sklhier.model_selection import check_rare_classes
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     rare = check_rare_classes(["cat"] * 9 + ["dog"])
    >>> print(caught[0].category.__name__, caught[0].message)
    RareClassWarning 1 of 2 labels have fewer than 5 rows: 'dog' (1). Merge them into ...
    """

    @classmethod
    def in_one_fold(cls, names: Sequence[Hashable]) -> Self:
        """Classes of which a fold leaves out all rows."""
        return cls(
            f"{len(names)} node(s) have all their rows in one fold, so the models above predict "
            f"these rows without having learnt the node: {quoted(names)}. Their out-of-fold "
            "output for it is 0 or the lowest possible. Merge rare classes with `coarsen`, or "
            "stratify the folds with HierarchicalStratifiedKFold."
        )

    @classmethod
    def dropped(cls, n_dropped: int, n_rows: int, what: str) -> Self:
        """Held-out rows that nothing can be learnt from, for their fold does not know their class."""
        return cls(
            f"Calibration drops {n_dropped} of {n_rows} held-out rows ({n_dropped / n_rows:.0%}), "
            f"whose class {what} do not know; see `calibration_report_`. Merge rare classes with "
            "`coarsen`, or stratify the folds with HierarchicalStratifiedKFold."
        )

    @classmethod
    def of(
        cls,
        rare: Mapping[Hashable, int],
        n_labels: int,
        min_count: int,
        empty: Sequence[Hashable],
    ) -> Self:
        """Labels with fewer than `min_count` rows, the rarest first, and leaves with none."""
        listed = ", ".join(f"{name!r} ({count})" for name, count in list(rare.items())[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        without = f" {len(empty)} leaves have no row at all: {quoted(empty)}." if empty else ""
        return cls(
            f"{len(rare)} of {n_labels} labels have fewer than {min_count} rows: {listed}{more}. "
            "Merge them into their ancestors with `coarsen`, split with "
            f"HierarchicalStratifiedKFold, or use fewer folds.{without}"
        )
