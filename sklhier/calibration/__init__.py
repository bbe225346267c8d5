"""Calibrators: from probabilities or scores to probabilities that are right as often as they say.

Give one, or its name, to a classifier as ``calibration=``. It is learnt in ``fit`` from out-of-fold
predictions, and used by every prediction.
"""

from sklhier._utils import pickling as _pickling
from sklhier.calibration._base import (
    AnswerCalibrator,
    Calibrator,
    HeldOutAnswers,
    ScoreCalibrator,
    register,
    resolve_calibration,
)
from sklhier.calibration._scores import Isotonic, Sigmoid, VennAbers
from sklhier.calibration._temperature import BinaryTemperature, Temperature

__all__ = [
    "AnswerCalibrator",
    "BinaryTemperature",
    "Calibrator",
    "HeldOutAnswers",
    "Isotonic",
    "ScoreCalibrator",
    "Sigmoid",
    "Temperature",
    "VennAbers",
    "register",
    "resolve_calibration",
]

_pickling.published(globals())
