"""Summary of a fitted classifier: its taxonomy, training rows, models, decoder and versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from html import escape
from numbers import Integral
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted

from sklhier._utils.typing import Integers, NodeIds
from sklhier._utils.versions import versions_in_use
from sklhier.exceptions import IncompatiblePartsError
from sklhier.taxonomy import Taxonomy

__all__ = ["ModelSummary", "Summarised"]

_MOST_NAMED = 10  # nodes that are named, of those without or with few rows


@dataclass(frozen=True, repr=False, eq=False)
class ModelSummary:
    """Summary of a fitted classifier, as text, HTML or a dictionary.

    ``print`` shows it as text, a notebook as HTML.

    Attributes
    ----------
    model : str
        Type of the classifier.
    sections : dict of str to dict
        ``taxonomy``, ``training``, ``fitted``, ``settings``, ``calibration``, ``guarantees`` and
        ``versions``. Values are strings, numbers, None, and lists or dictionaries of these.

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    >>> y = ["owl", "wren", "eel", "eel"]
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit([[0.0], [1.0], [5.0], [6.0]], y)
    >>> summary = model.summary()
    >>> summary.sections["training"]["rows"], summary.sections["training"]["unseen"]
    (4, ['ray'])
    >>> print(summary)
    HierarchicalClassifier
    <BLANKLINE>
    taxonomy
      kind             tree
      nodes            7
      leaves           4
      nodes per level  2, 4
    ...
    """

    model: str
    sections: dict[str, dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return model and sections as one dictionary, which ``json.dumps`` takes."""
        return {"model": self.model, **deepcopy(self.sections)}

    def lines(self) -> Iterable[tuple[str, list[tuple[str, str]]]]:
        """Return title and rows of each section, a row as name and text; empty ones are left out."""
        for title, values in self.sections.items():
            if values:
                yield title, [(key.replace("_", " "), _text(v)) for key, v in values.items()]

    def __repr__(self) -> str:
        return f"ModelSummary(model={self.model!r})"

    def __str__(self) -> str:
        parts = [self.model]
        for title, rows in self.lines():
            width = max(len(label) for label, _ in rows)
            listed = (f"  {label.ljust(width)}  {text}".rstrip() for label, text in rows)
            parts.append("\n".join([title, *listed]))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        parts = [f"<p><strong>{escape(self.model)}</strong></p><table>"]
        for title, rows in self.lines():
            parts.append(f'<tr><th colspan="2">{escape(title)}</th></tr>')
            parts += [
                f"<tr><td>{escape(label)}</td><td>{escape(text)}</td></tr>" for label, text in rows
            ]
        return "".join([*parts, "</table>"])


def _text(value: Any) -> str:
    """Return a value of a section as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


class Summarised:
    """Adds ``summary`` to a classifier, which counts its training rows in ``fit``."""

    taxonomy_: Taxonomy
    _node_rows: Integers | None = None  # files of earlier versions have no counts

    def _count_rows(
        self, taxonomy: Taxonomy, labels: NodeIds | sparse.csr_array, *, more: bool = False
    ) -> None:
        """Store how many rows have their label at or below each node; or add those of a batch."""
        counts = _rows_of_nodes(taxonomy, labels)
        if not more:
            self._node_rows = counts
        elif self._node_rows is not None:
            self._node_rows = self._node_rows + counts

    def _fitted_parts(self) -> dict[str, Any]:
        """Return what was fitted, for the summary."""
        raise NotImplementedError

    def summary(self, *, min_count: int = 5) -> ModelSummary:
        """Return a summary of the fitted classifier.

        Parameters
        ----------
        min_count : int, default=5
            A node with fewer training rows at or below it is rare.

        Returns
        -------
        summary : ModelSummary
            Taxonomy, training rows, nodes with few rows or none, models, settings, calibration,
            guarantees and versions. Prints as text.

        Raises
        ------
        NotFittedError
            If the classifier is not fitted.
        ValueError
            If `min_count` is below 1.

        Notes
        -----
        Rows of weight 0 do not count. After ``partial_fit``, rows are those of all calls, constants
        and seconds those of the last call.
        """
        check_is_fitted(self, "taxonomy_")
        check_scalar(min_count, "min_count", Integral, min_val=1)
        return ModelSummary(
            type(self).__name__,
            {
                "taxonomy": _of_taxonomy(self.taxonomy_),
                "training": _of_training(self, min_count),
                "fitted": self._fitted_parts(),
                "settings": _of_settings(self),
                "calibration": _of_calibration(self),
                "guarantees": _of_guarantees(self),
                "versions": versions_in_use(),
            },
        )


def _rows_of_nodes(taxonomy: Taxonomy, labels: NodeIds | sparse.csr_array) -> Integers:
    """Return the number of rows at or below each node; all rows are at or below the root."""
    if isinstance(labels, np.ndarray):
        own = np.bincount(labels, minlength=taxonomy.n_nodes)
        occurring = np.flatnonzero(own).astype(np.int32)
        counts = np.rint(own[occurring] @ taxonomy.ancestors_of(occurring)).astype(np.int64)
    else:
        counts = np.bincount(labels.indices, minlength=taxonomy.n_nodes)
    counts[0] = labels.shape[0]
    return counts


def _of_taxonomy(taxonomy: Taxonomy) -> dict[str, Any]:
    return {
        "kind": "tree" if taxonomy.is_tree else "DAG",
        "nodes": taxonomy.n_nodes,
        "leaves": len(taxonomy.leaf_ids),
        "nodes_per_level": np.diff(taxonomy.level_offsets)[1:].tolist(),
    }


def _of_training(model: Any, min_count: int) -> dict[str, Any]:
    taxonomy, counts = model.taxonomy_, model._node_rows
    found: dict[str, Any] = {
        "rows": None if counts is None else int(counts[0]),
        "features": getattr(model, "n_features_in_", None),
        "classes": len(model.classes_),
        "unseen_nodes": len(model.unseen_nodes_),
        "unseen": taxonomy.titled(model.unseen_nodes_[:_MOST_NAMED]),
        "rare_below": min_count,
        "rare_nodes": None,
        "rare": None,
    }
    if counts is not None:
        rare = 1 + np.flatnonzero((counts[1:] > 0) & (counts[1:] < min_count))
        first = rare[np.argsort(counts[rare], kind="stable")][:_MOST_NAMED]
        names: list[Hashable] = [taxonomy.nodes[node] for node in first]
        found["rare_nodes"] = len(rare)
        found["rare"] = dict(zip(taxonomy.titled(names), counts[first].tolist(), strict=True))
    return found


def _of_settings(model: Any) -> dict[str, Any]:
    """Return the strategy and what else was chosen; what has no effect is left out."""
    found = {"strategy": model.strategy_} if hasattr(model, "strategy_") else {}
    found |= {
        name: value
        for name in ("link", "chain", "routing", "loss", "solver", "consistency")
        if (value := getattr(model, name, None)) is not None
    }
    return {name: _shown(value) for name, value in found.items()} | {"decoder": _decoder(model)}


def _decoder(model: Any) -> str:
    try:
        return _shown(model.decoder_)
    except IncompatiblePartsError:  # set after fit, and not calibrated or tuned yet
        return f"{_shown(model.decoder)}, not calibrated or tuned yet"


def _shown(value: object) -> str:
    return value if isinstance(value, str) else " ".join(repr(value).split())


def _of_calibration(model: Any) -> dict[str, Any]:
    report = getattr(model, "calibration_report_", None)
    if report is None:
        return {}
    n_rows = report["n_rows"]
    found = {
        "calibration": _shown(model.calibration),
        "methods": dict(sorted(Counter(report["method"].tolist()).items())),
        "rows": int(n_rows.sum()),
        "dropped_rows": int(report["n_dropped"].sum()),
    }
    used = n_rows > 0
    if used.any():
        for name in ("nll_before", "nll_after"):
            found[name] = float(np.average(report[name][used], weights=n_rows[used]))
    return found


def _of_guarantees(model: Any) -> dict[str, Any]:
    """Return what decoders hold, and the probability below which no answer is given."""
    found: dict[str, Any] = {}
    report = getattr(model, "conformal_report_", None)
    if report is not None:
        found["decoder"] = type(model.decoder_).__name__
        for name in ("confidence_level", "risk", "target", "method"):
            if name in report.dtype.names:
                found[name] = report[name].tolist()[0]
        sources = set(report["source"].tolist())
        found["source"] = ", ".join(sorted(sources))
        found["is_guaranteed"] = sources == {"calibration"}
        found["calibration_rows"] = int(report["n_rows"].sum())
    threshold = getattr(model, "reject_threshold_", None)
    if threshold is not None:
        found["reject_below"] = float(threshold)
    return found
