"""Saved models: the types that a file holds, for formats that ask, and a card that describes it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from sklhier._utils.moved import FORMER
from sklhier._utils.pipelines import classifier_within

__all__ = ["model_card", "trusted_types"]
__dir__ = __all__.copy  # completion shows public names alone

# What fitted models are made of, beside the public classes and what users bring themselves.
_PRIVATE = (
    "sklhier._classifiers.abilities.Reading",
    "sklhier._classifiers.compressing.CompressionReport",
    "sklhier._classifiers.path_target.PathTarget",
    "sklhier._classifiers.set_target.SetTarget",
    "sklhier._joint.model.JointModel",
    "sklhier._joint.moments.FeatureSteps",
    "sklhier._joint.moments.Moments",
    "sklhier._joint.network.Network",
    "sklhier._joint.path_loss.Heads",
    "sklhier._joint.path_loss.Level",
    "sklhier._joint.paths.JointPaths",
    "sklhier._joint.paths.PathColumns",
    "sklhier._joint.sets.JointSets",
    "sklhier._joint.sets.SetColumns",
    "sklhier._joint.solvers.AdamState",
    "sklhier._joint.solvers.History",
    "sklhier._local.keys.Kind",
    "sklhier._local.keys.ModelKey",
    "sklhier._local.linear_fit.ColumnSubset",
    "sklhier._local.model.LocalModel",
    "sklhier._local.model.Upstream",
    "sklhier._local.single_weights.SingleWeights",
    "sklhier._probabilities.calibrated.OneVsRestLink",
    "sklhier._probabilities.calibrated.PowerLink",
    "sklhier._probabilities.marginals.Outcomes",
    "sklhier._targets.containers.FrameKind",
    "sklhier._targets.containers.RowKind",
    "sklhier._targets.label_sets.CollectionFormat",
    "sklhier._targets.label_sets.FrameFormat",
    "sklhier._targets.label_sets.IndicatorFormat",
    "sklhier._targets.label_sets.PathSetFormat",
    "sklhier._targets.paths.LabelFormat",
    "sklhier._targets.paths.LevelFormat",
    "sklhier._training.calibration.CalibrationReport",
    "sklhier._training.marginals.PathModels",
    "sklhier._training.marginals.SetModels",
    "sklhier._training.trainer.FitReport",
    "sklhier.decoders._conformal.ConformalThresholds",
    "sklhier.decoders._conformal_scores.GroupedScores",
    "sklhier.decoders._risk_control.RiskCalibration",
)
_ARRAYS = (
    "builtins.frozenset",
    "numpy.dtype",
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
)
_PUBLIC = (
    "sklhier",
    "sklhier.calibration",
    "sklhier.decoders",
    "sklhier.linear_model",
    "sklhier.links",
    "sklhier.model_selection",
    "sklhier.objectives",
    "sklhier.staging",
    "sklhier.strategies",
    "sklhier.taxonomy",
)


# Strategies and decoders were saved by the private modules that define them.
_FORMER_PARTS = (
    *(f"sklhier.strategies.{name}" for name in (
        "_ensemble.Ensemble", "_flat.Flat", "_per_level.PerLevel", "_per_node.PerNode",
        "_per_parent.PerParent",
    )),
    *(f"sklhier.decoders.{name}" for name in (
        "_best_path.Beam", "_best_path.BestPath", "_cost_matrix.CostMatrix",
        "_expected_f.ExpectedF1", "_hierarchical_f.HierarchicalF",
        "_level_weighted.LevelWeighted", "_sets.MaximumClosure", "_sets.TopLabels",
        "_stop_rules.Climbing", "_stop_rules.Darts", "_stop_rules.InformationThreshold",
        "_threshold.Threshold", "_top_down.TopDown",
    )),
)  # fmt: skip


def trusted_types(model: object = None) -> list[str]:
    """Return the names of the types that ``skops.io.load`` must trust to load a model.

    Parameters
    ----------
    model : object, default=None
        A fitted model, alone or within a Pipeline or a search. All its types that skops does not
        trust by itself are returned, those of base estimators included: use this only for a model
        of your own. None returns the types of this package only, by present and former names.

    Returns
    -------
    types : list of str
        Sorted; for the parameter ``trusted``.

    Raises
    ------
    ModuleNotFoundError
        For a model, if skops is not installed.

    Examples
    --------
    >>> from sklhier.persistence import trusted_types
    >>> "sklhier.HierarchicalClassifier" in trusted_types()
    True

    Load a file by ``skops.io.load(path, trusted=trusted_types())``. Add the types of your base
    estimators if skops does not know them: ``skops.io.get_untrusted_types`` names them.
    """
    if model is not None:
        from skops import io

        return sorted(io.get_untrusted_types(data=io.dumps(model)))
    former = [f"{module}.{name}" for module, (_, names) in FORMER.items() for name in names]
    return sorted({*_public_types(), *_PRIVATE, *_ARRAYS, *former, *_FORMER_PARTS})


def _public_types() -> Iterator[str]:
    for module in _PUBLIC:
        for name, public in vars(import_module(module)).items():
            if isinstance(public, type) and public.__module__ == module:
                yield f"{module}.{name}"


def model_card(model: object) -> Any:
    """Return a skops model card that describes a fitted model.

    The card has the sections of ``skops.card.Card(model)`` (parameters, a diagram, places for use,
    limits, evaluation, authors), and below "Model description" a table for each section of the
    classifier's :class:`~sklhier.ModelSummary`.

    Parameters
    ----------
    model : estimator
        A fitted classifier of this package, alone or within a Pipeline or a search.

    Returns
    -------
    card : skops.card.Card
        Add what only you know with ``card.add(...)``, then ``card.save("README.md")``.

    Raises
    ------
    ImportError
        If skops is not installed.
    NotFittedError
        If the model is not fitted.
    ValueError
        If it holds no classifier with a taxonomy.

    See Also
    --------
    HierarchicalClassifier.summary : The same facts as text, HTML or a dictionary.

    References
    ----------
    .. [1] M. Mitchell et al. Model cards for model reporting.
       FAT* (2019).

    Examples
    --------
    >>> from sklhier import HierarchicalClassifier, Taxonomy
    >>> from sklhier.persistence import model_card
    >>> taxonomy = Taxonomy.from_dict({"bird": ["owl", "wren"], "fish": ["eel", "ray"]})
    >>> y = ["owl", "wren", "eel", "ray"]
    >>> model = HierarchicalClassifier(taxonomy=taxonomy).fit([[0.0], [1.0], [5.0], [6.0]], y)
    >>> card = model_card(model)
    >>> "nodes per level" in card.render()
    True
    """
    try:
        from skops.card import Card
    except ModuleNotFoundError as error:
        raise ImportError(
            'A model card needs skops, which is not installed: pip install "sklhier[skops]".'
        ) from error
    summary = classifier_within(model).summary()
    card = Card(model)
    for title, rows in summary.lines():
        names, values = zip(*rows, strict=True)
        table = {"": list(names), "value": list(map(_in_a_cell, values))}
        place = f"Model description/Hierarchy/{title}"
        card.add_table(**{place: table})
        card.select(place).title = title.capitalize()  # skops shows the whole place
    return card


def _in_a_cell(text: str) -> str:
    """Return text that does not end its cell of a Markdown table."""
    return " ".join(text.split()).replace("|", r"\|")
