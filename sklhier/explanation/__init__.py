"""Explanations of answers and nodes: which features speak for them, exactly in linear models."""

from sklhier._utils import pickling as _pickling
from sklhier.explanation._explain import explain, node_features
from sklhier.explanation._html import explain_html
from sklhier.explanation._why_not import WhyNot, why_not

__all__ = ["WhyNot", "explain", "explain_html", "node_features", "why_not"]

_pickling.published(globals())
