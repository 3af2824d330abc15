"""Batches for PyTorch: what is known of a DataLoader, and the way to the model's device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler, SubsetRandomSampler, WeightedRandomSampler

from lrwidget.steps.batches import Batches


class TorchBatches(Batches):
    """Batches whose source may be a DataLoader."""

    def _is_shuffled(self) -> bool:
        if not isinstance(self.source, DataLoader):
            return False
        sampler = getattr(self.source.batch_sampler, "sampler", self.source.sampler)
        # None of a class made from these: accelerate's seeds itself with the number of the pass.
        return type(sampler) in (RandomSampler, SubsetRandomSampler, WeightedRandomSampler)


def to_device(value: Any, device: torch.device) -> Any:
    """The same structure with every tensor, and whatever else has ``to``, on a device."""
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping) and not hasattr(value, "to"):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(to_device(item, device) for item in value)
    return value.to(device) if hasattr(value, "to") else value


def is_elsewhere(value: Any, device: torch.device) -> bool:
    """Whether any tensor in the structure lives on another device."""
    if isinstance(value, Tensor):
        return value.device != device
    if isinstance(value, Mapping):
        return any(is_elsewhere(item, device) for item in value.values())
    if isinstance(value, tuple | list):
        return any(is_elsewhere(item, device) for item in value)
    return device.type != "cpu" and hasattr(value, "to")
