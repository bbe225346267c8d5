"""Dense features of a linear model, which it may learn as if they were standardised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sklearn.preprocessing import StandardScaler

from sklhier._joint.network import Network
from sklhier._utils.typing import Floats

__all__ = ["Scaling"]


@dataclass(frozen=True)
class Scaling:
    """Means and standard deviations of the features, by which a linear model learns.

    Attributes
    ----------
    scaler : StandardScaler
        The fitted scaler. A constant feature has the deviation 1.
    """

    scaler: StandardScaler

    @classmethod
    def of(cls, X: Any, shares: Floats) -> Self:
        """Return those of dense rows, weighted by their shares in the loss."""
        # An array, whatever the configuration says.
        scaler = StandardScaler().set_output(transform="default")
        return cls(scaler.fit(X, sample_weight=shares))

    def features(self, X: Any) -> Any:
        """Return a standardised copy of rows."""
        return self.scaler.transform(X)

    def to_learn(self, network: Network) -> Network:
        """Return the network with the same scores for standardised rows."""
        weights, intercepts = network.weights[0], network.intercepts[0]
        return self._changed(
            network, weights * self._deviations, intercepts + self.scaler.mean_ @ weights
        )

    def learnt(self, network: Network) -> Network:
        """Return the network with the same scores for rows as they are."""
        weights = network.weights[0] / self._deviations
        return self._changed(network, weights, network.intercepts[0] - self.scaler.mean_ @ weights)

    @property
    def _deviations(self) -> Any:
        return self.scaler.scale_[:, None]

    def _changed(self, network: Network, weights: Any, intercepts: Any) -> Network:
        arrays = [array.astype(network.dtype, copy=False) for array in (weights, intercepts)]
        return network.with_arrays(arrays)
