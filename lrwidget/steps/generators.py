"""Generators of random numbers that belong to an object: Python's, NumPy's, and PyTorch's where that is loaded."""

from __future__ import annotations

import random
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lrwidget.steps.parts import Part, Path

if TYPE_CHECKING:
    import torch

Generator: TypeAlias = "torch.Generator | np.random.Generator | np.random.RandomState | random.Random"
_TYPES = (np.random.Generator, np.random.RandomState, random.Random)


def is_generator(value: object) -> bool:
    """Whether numbers are drawn from this."""
    return isinstance(value, (*_TYPES, *loaded_torch("Generator")))


def loaded_torch(name: str) -> tuple[type, ...]:
    """The class of PyTorch's that has this name; none where PyTorch is not loaded, so that no object is of it."""
    found = getattr(sys.modules.get("torch"), name, None)
    return () if found is None else (found,)


def generator_part(path: Path, generator: Any) -> Part:
    """The state of one generator object."""
    if isinstance(generator, np.random.Generator):
        bits: Any = generator.bit_generator
        bits_state = bits.state
        return Part(path, lambda: setattr(bits, "state", bits_state))
    if isinstance(generator, random.SystemRandom):
        return Part(path)  # has no state
    if isinstance(generator, random.Random):
        python_state = generator.getstate()
        return Part(path, lambda: generator.setstate(python_state))
    state = generator.get_state()  # NumPy's old one, and PyTorch's
    return Part(path, lambda: generator.set_state(state))
