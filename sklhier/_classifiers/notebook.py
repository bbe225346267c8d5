"""The taxonomy of a fitted classifier in notebooks, below the diagram of scikit-learn."""

from __future__ import annotations

from typing import Any

from sklhier.taxonomy import Taxonomy
from sklhier.taxonomy._text import draw_html

__all__ = ["ShowsTaxonomy"]


class ShowsTaxonomy:
    """Adds the taxonomy, folded, to the HTML of an estimator, a BaseEstimator further up.

    Both methods are those that IPython asks for; scikit-learn defines them where its option
    ``display`` is ``"diagram"``.
    """

    taxonomy_: Taxonomy

    @property
    def _repr_html_(self) -> Any:
        diagram = super()._repr_html_  # type: ignore[misc]  # an AttributeError without diagrams
        return lambda: self._with_taxonomy(diagram())

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] = self._with_taxonomy(bundle["text/html"])
        return bundle

    def _with_taxonomy(self, html: str) -> str:
        if not hasattr(self, "taxonomy_"):
            return html
        return html + draw_html(self.taxonomy_, unfolded=False)
