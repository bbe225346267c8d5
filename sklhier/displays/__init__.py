"""Pictures of taxonomies, errors, probabilities and comparisons.

Each display holds numbers, which ``from_estimator`` or ``from_predictions`` computes, and ``plot``
draws them with matplotlib. In a notebook a display shows itself.
"""

from sklhier._utils import pickling as _pickling
from sklhier.displays._calibration import LevelCalibrationDisplay
from sklhier.displays._comparison import ComparisonDisplay
from sklhier.displays._confusion import HierarchicalConfusionMatrixDisplay
from sklhier.displays._contributions import ContributionDisplay
from sklhier.displays._errors import ErrorAttributionDisplay
from sklhier.displays._risk import RiskCoverageDisplay
from sklhier.displays._taxonomy import TaxonomyDisplay

__all__ = [
    "ComparisonDisplay",
    "ContributionDisplay",
    "ErrorAttributionDisplay",
    "HierarchicalConfusionMatrixDisplay",
    "LevelCalibrationDisplay",
    "RiskCoverageDisplay",
    "TaxonomyDisplay",
]

_pickling.published(globals())
