"""Learning rates measured, not guessed: range tests with a live curve in JupyterLab, and the engine without a screen.

The public names are loaded on first use, so ``import lrwidget`` imports no framework and draws nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "LearningRateFinder": "lrwidget.finder",
    "RangeTest": "lrwidget.range_test",
    "StepRecord": "lrwidget.result",
    "StopReason": "lrwidget.result",
    "RangeTestResult": "lrwidget.result",
    "RestoringStep": "lrwidget.steps",
    "StepOutput": "lrwidget.steps",
    "SKIPPED": "lrwidget.steps",
    "TorchStep": "lrwidget.steps.torch",
    "KerasStep": "lrwidget.steps.keras",
    "suggest": "lrwidget.suggestions",
    "Suggestion": "lrwidget.suggestions",
    "diagnose": "lrwidget.diagnosis",
    "Diagnosis": "lrwidget.diagnosis",
    "sweep": "lrwidget.sweeps",
    "LRFinderWidget": "lrwidget.ui.widget",
    "Stride": "lrwidget.ui.stride",
    "Race": "lrwidget.ui.race",
}
_MODULES = {"schedules"}
_NAMES = [*_HOMES, *_MODULES, "__version__"]

if TYPE_CHECKING:
    from lrwidget import schedules as schedules
    from lrwidget.diagnosis import Diagnosis as Diagnosis
    from lrwidget.diagnosis import diagnose as diagnose
    from lrwidget.finder import LearningRateFinder as LearningRateFinder
    from lrwidget.range_test import RangeTest as RangeTest
    from lrwidget.result import RangeTestResult as RangeTestResult
    from lrwidget.result import StepRecord as StepRecord
    from lrwidget.result import StopReason as StopReason
    from lrwidget.steps import SKIPPED as SKIPPED
    from lrwidget.steps import RestoringStep as RestoringStep
    from lrwidget.steps import StepOutput as StepOutput
    from lrwidget.steps.keras import KerasStep as KerasStep
    from lrwidget.steps.torch import TorchStep as TorchStep
    from lrwidget.suggestions import Suggestion as Suggestion
    from lrwidget.suggestions import suggest as suggest
    from lrwidget.sweeps import sweep as sweep
    from lrwidget.ui.race import Race as Race
    from lrwidget.ui.stride import Stride as Stride
    from lrwidget.ui.widget import LRFinderWidget as LRFinderWidget


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"lrwidget.{name}")
    if name == "__all__":
        left_out = _left_out()
        return [public for public in _NAMES if public not in left_out]
    raise AttributeError(f"module 'lrwidget' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_NAMES)


def _left_out() -> set[str]:
    """What a star import does not take: steps of frameworks that are not installed.

    Nor Keras's, unless Keras is loaded: it chooses its backend when it is, and fails where it finds none.
    """
    missing = set() if find_spec("torch") else {"TorchStep"}
    return missing if "keras" in sys.modules else missing | {"KerasStep"}
