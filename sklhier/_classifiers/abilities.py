"""Abilities of base estimators: what a classifier can do with them, and parts that need more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from sklearn.base import clone

from sklhier._classifiers.local_parameters import LocalParameters, known_bases
from sklhier._local.base_estimators import SmallNodes, check_classifier, own_classifier
from sklhier._local.model import LocalModel
from sklhier._utils.validation import shown
from sklhier._utils.warning import warn_caller
from sklhier.exceptions import IncompatiblePartsError, LeakageWarning
from sklhier.links import Link, resolve_link
from sklhier.staging import Chain, resolve_routing
from sklhier.strategies import Auto
from sklhier.strategies._member import bases_of

__all__ = [
    "Reading",
    "check_bases",
    "has_scores_alone",
    "lack_of_scores",
    "learns_in_batches",
    "refuse_chain",
    "refuse_mismatch",
    "refuse_mismatch_of_models",
    "refuse_without",
]


@dataclass(frozen=True)
class Reading:
    """The reading of outputs of local models, as the parameters said when they were fitted.

    Attributes
    ----------
    link : Link or None
        What makes probabilities of them; None: whatever a base estimator gives.
    lack : str or None
        Why there are no probabilities, if so.
    is_calibrated : bool, default=False
        Whether they are calibrated, so that there are probabilities in any case.
    """

    link: Link | None
    lack: str | None
    is_calibrated: bool = False

    @classmethod
    def of(cls, model: LocalParameters) -> Self:
        """Return how parameters say it; `model` does not share the link."""
        link = None if model.link is None else clone(resolve_link(model.link))
        if model._asked_calibration() is not None:
            return cls(link, lack_of_scores(model, link), is_calibrated=True)
        if link is not None and not link.gives_probabilities:
            return cls(link, f"link={link!r} gives weights, which are no probabilities.")
        try:
            _require_method(model, "predict_proba" if link is None else link.response_method)
        except AttributeError as error:
            return cls(link, str(error))
        return cls(link, None)


def lack_of_scores(model: LocalParameters, link: Link | None) -> str | None:
    """Return why there is nothing to calibrate, or None."""
    methods = ["predict_proba", "decision_function"] if link is None else [link.response_method]
    for base in known_bases(model).values():
        if not any(hasattr(base, method) for method in methods):
            return f"{type(base).__name__} has no {' and no '.join(methods)} to calibrate."
    return None


def _require_method(model: LocalParameters, method: str) -> bool:
    for base in known_bases(model).values():
        getattr(base, method)  # an AttributeError of its own names what is missing
    return True


def has_scores_alone(model: LocalParameters) -> bool:
    """Whether some base estimators have no probabilities, and no link of the user's reads them."""
    bases = known_bases(model).values()
    return model.link is None and any(not hasattr(base, "predict_proba") for base in bases)


def learns_in_batches(model: LocalParameters) -> bool:
    """Whether a classifier can learn from batches; raise an AttributeError if not."""
    # Held-out outputs need folds of all samples; label sets have no routing.
    routing = getattr(model, "routing", "filter")
    given = model.calibration
    is_calibrated = given is not None and not (isinstance(given, str) and given == "auto")
    for name, value, is_staged, without in (
        ("small_nodes", model.small_nodes, model.small_nodes is not None, None),
        ("calibration", given, is_calibrated, None),
        ("chain", model.chain, model.chain is not None, None),
        ("node_rows", model.node_rows, model.node_rows is not None, None),
        ("routing", routing, resolve_routing(routing).needs_held_out, "filter"),
    ):
        if is_staged:
            raise AttributeError(
                f"partial_fit sees samples in batches; {name}={shown(value)} needs all of them "
                f"at once. Use fit, or {name}={without!r}."
            )
    if any(map(own_classifier, bases_of(model.strategy).values())):
        raise AttributeError(
            "partial_fit sees samples in batches; a joint model as a member of an ensemble needs all "
            "of them at once. Use fit, or leave it out."
        )
    return _require_method(model, "partial_fit")


# -- parts checked against each other, before anything is fitted --------------------------


def check_bases(model: LocalParameters) -> None:
    """Refuse base estimators that are no classifiers."""
    SmallNodes.of(model.small_nodes)
    for name, base in known_bases(model).items():
        check_classifier(base, name)


class _HasStages(Protocol):
    has_stages: Any


def refuse_chain(chain: Chain, strategy: _HasStages, model: LocalParameters) -> None:
    """Check a chain against the strategy and the base estimators; warn of one that leaks."""
    if isinstance(strategy, Auto):
        raise IncompatiblePartsError.needs(
            chain,
            "a strategy that is known before models are fitted",
            "'auto' also compares strategies without models above each other",
            "Use chain=None, or strategy='per_parent'.",
        )
    if not strategy.has_stages:
        raise IncompatiblePartsError.needs(
            chain,
            "models above each other",
            f"{strategy!r} has none",
            "Use chain=None, or another strategy.",
        )
    refuse_without(chain, chain.method, known_bases(model).values())
    if chain.training != "out_of_fold":
        warn_caller(LeakageWarning.of(chain))


def refuse_without(part: Chain | Link, method: str, bases: Iterable[Any]) -> None:
    for base in bases:
        if not hasattr(base, method):
            raise IncompatiblePartsError.needs(
                part,
                f"base estimators with {method}",
                f"{type(base).__name__} has none",
                "Wrap it in CalibratedClassifierCV, or use outputs of another method.",
            )


class _MayNeedProbabilities(Protocol):
    needs_probabilities: Any


def refuse_mismatch(decoder: _MayNeedProbabilities, model: LocalParameters, others: str) -> None:
    """Refuse a decoder that needs probabilities where parameters say that there are none.

    Parameters
    ----------
    decoder : Decoder or SetDecoder
    model : LocalParameters
        Gives the base estimators and the link.
    others : str
        Decoders that do without, for the message.
    """
    if decoder.needs_probabilities and model._asked_calibration() is None:
        link = None if model.link is None else resolve_link(model.link)
        _refuse_lack(decoder, (_lack_of(b, link) for b in known_bases(model).values()), others)


def refuse_mismatch_of_models(
    decoder: _MayNeedProbabilities, reading: Reading, fitted: Iterable[LocalModel], others: str
) -> None:
    """Refuse a decoder that needs probabilities where fitted models have none.

    They may be of other types than the parameters say: a callable may have chosen base estimators
    for some nodes, and parameters may have been set since.

    Parameters
    ----------
    decoder : Decoder or SetDecoder
    reading : Reading
        How outputs were read when the models were fitted.
    fitted : iterable of LocalModel
    others : str
        Decoders that do without, for the message.
    """
    if decoder.needs_probabilities and not reading.is_calibrated:
        lacking = (model.estimator for model in fitted if not model.gives_probabilities)
        _refuse_lack(decoder, (_lack_of(base, reading.link) for base in lacking), others)


def _refuse_lack(decoder: object, lacks: Iterable[str | None], others: str) -> None:
    lack = next(filter(None, lacks), None)
    if lack is not None:
        raise IncompatiblePartsError.needs(
            decoder,
            "probabilities",
            lack,
            f"Use calibration='temperature', or the decoder {others}.",
        )


def _lack_of(estimator: Any, link: Link | None) -> str | None:
    """Return why there are no probabilities of an estimator, or None."""
    if link is not None:
        return None if link.gives_probabilities else f"{link!r} gives weights"
    has_some = hasattr(estimator, "predict_proba")
    return None if has_some else f"{type(estimator).__name__} has no predict_proba"
