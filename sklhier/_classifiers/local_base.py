"""The fitted side that both classifiers with local models share: models, reports, state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklhier._classifiers.abilities import Reading
from sklhier._classifiers.calibrating import Calibrated
from sklhier._classifiers.compressing import Compressible
from sklhier._classifiers.local_parameters import LocalParameters, known_bases
from sklhier._classifiers.notebook import ShowsTaxonomy
from sklhier._classifiers.saved_local import upgraded
from sklhier._classifiers.summary import Summarised
from sklhier._local.model import LocalModel
from sklhier._targets.paths import resolve_taxonomy
from sklhier._training.marginals import PathModels, SetModels, model_name, named_models
from sklhier._training.trainer import FitReport
from sklhier._utils import compat
from sklhier._utils.pickling import restored_state, with_versions
from sklhier.taxonomy import Taxonomy

__all__ = ["LocalClassifier"]


class LocalClassifier(Summarised, ShowsTaxonomy, Calibrated, Compressible, LocalParameters):
    """A meta-classifier with a base estimator for each local problem.

    ``fit`` of a subclass sets the private attributes.
    """

    taxonomy_: Taxonomy
    _model: PathModels | SetModels
    _reports: list[FitReport]  # of each part of the strategy
    _seed: int | None
    _reading: Reading
    _rows_weight: float | None
    _selection: np.ndarray[Any, Any] | None  # what was compared to choose a strategy

    def _sk_visual_block_(self) -> Any:
        parts = known_bases(self)
        if self.taxonomy is not None:
            parts["taxonomy"] = resolve_taxonomy(self.taxonomy)
        return compat.visual_block(list(parts.values()), list(parts))

    def __getstate__(self) -> dict[str, Any]:
        return with_versions(super().__getstate__())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(upgraded(restored_state(self, state)))
        if hasattr(self, "taxonomy_") and not hasattr(self, "_reading"):
            self._reading = Reading.of(self)  # files of earlier versions have the parameters alone

    def _gives_probabilities(self) -> bool:
        # What was fitted stays as it is, whatever parameters are set since.
        fitted = vars(self).get("_reading")
        reading = Reading.of(self) if fitted is None else fitted
        if reading.lack is not None:
            raise AttributeError(reading.lack)
        return True

    @property
    def estimators_(self) -> Mapping[Hashable, Any]:
        """Fitted base estimators by the name of the node, or ``"level:k"``, that decides.

        A read-only mapping. Linear estimators that were fitted to sparse X are stored with the
        coefficients of their own columns; looking one up makes a copy of full width.
        """
        check_is_fitted(self, "taxonomy_")
        return _FittedEstimators({name: m for (_, name), m in named_models(self._model)})

    @property
    def fit_report_(self) -> np.ndarray[Any, Any]:
        """Structured array with a record for each local problem of the last fit or partial_fit."""
        check_is_fitted(self, "taxonomy_")
        # Records hold objects, which skops cannot save: they are made when they are read.
        return np.concatenate(
            [
                report.records(
                    [model_name(self._model, i, key) for key in report.keys], self.taxonomy_
                )
                for i, report in enumerate(self._reports)
            ]
        )

    @property
    def strategy_(self) -> Any:
        """The strategy in use, its parameters tuned."""
        check_is_fitted(self, "taxonomy_")
        return self._model.strategy

    @property
    def selection_report_(self) -> np.ndarray[Any, Any]:
        """A record for each compared strategy, after fit with ``strategy="auto"``."""
        check_is_fitted(self, "taxonomy_")
        report: np.ndarray[Any, Any] | None = vars(self).get("_selection")
        if report is None:
            raise AttributeError(
                '`selection_report_` is only available after fit with strategy="auto".'
            )
        return report.copy()

    @property
    def node_rows_weight_(self) -> float:
        """The given or learnt weight of `node_rows`."""
        check_is_fitted(self, "taxonomy_")
        weight = vars(self).get("_rows_weight")
        if weight is None:
            raise AttributeError(
                "`node_rows_weight_` is only available after fit with `node_rows`."
            )
        return float(weight)

    def _fitted_parts(self) -> dict[str, Any]:
        kinds = Counter(type(model.estimator).__name__ for _, model in named_models(self._model))
        report = self.fit_report_
        told = Counter(str(text) for text in report["fitted"])
        nothing = ("constant", "nothing")
        return {
            "local_models": sum(kinds.values()),
            "estimators": dict(sorted(kinds.items())),
            "constants": {
                text: number for text, number in sorted(told.items()) if text.startswith(nothing)
            },
            "seconds": float(report["seconds"].sum()),
        }


class _FittedEstimators(Mapping[Hashable, Any]):
    """Fitted local estimators by name, each brought to its full width when it is looked up."""

    def __init__(self, models: dict[Hashable, LocalModel]) -> None:
        self._models = models

    def __getitem__(self, name: Hashable) -> Any:
        return self._models[name].full_width

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __repr__(self) -> str:
        names = {name: type(model.estimator).__name__ for name, model in self._models.items()}
        return f"{type(self).__name__}({names})"
