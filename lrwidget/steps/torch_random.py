"""Sources of randomness and switches that belong to the process, not to the model: saved, restored, reseeded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from lrwidget.steps.generators import Generator
from lrwidget.steps.overlap import STREAM, global_states, seed_globals
from lrwidget.steps.parts import Part


def random_parts(device: torch.device) -> Iterator[Part]:
    """The random states of the process: Python, NumPy, torch on every device in use."""
    yield from global_states()
    torch_state = torch.get_rng_state()
    yield Part(("torch CPU RNG",), lambda: torch.set_rng_state(torch_state))
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        cuda_states = torch.cuda.get_rng_state_all()
        yield Part(("torch CUDA RNG",), lambda: torch.cuda.set_rng_state_all(cuda_states))
    if device.type == "mps":
        mps_state = torch.mps.get_rng_state()
        yield Part(("torch MPS RNG",), lambda: torch.mps.set_rng_state(mps_state))


def switch_parts(device: torch.device) -> Iterator[Part]:
    """The switches of the process, and of the thread that trains."""
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    yield Part(("default dtype",), lambda: torch.set_default_dtype(dtype))
    for kind in {"cpu", device.type}:
        yield _autocast_part(kind)
    yield Part(("grad mode",), lambda: torch.set_grad_enabled(grad))
    yield _switches_part()


def _set_anomaly_mode(mode: bool) -> None:
    torch.autograd.set_detect_anomaly(mode, torch.is_anomaly_check_nan_enabled())


_SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    (torch.is_anomaly_enabled, _set_anomaly_mode),
)


def _switches_part() -> Part:
    """Switches that are set only where they stand otherwise: setting them may cost an import, or warn."""
    saved = [read() for read, _ in _SWITCHES]

    def restore() -> None:
        for (read, write), value in zip(_SWITCHES, saved, strict=True):
            if read() != value:
                write(value)

    return Part(("matmul precision, deterministic algorithms, anomaly mode",), restore)


def _autocast_part(kind: str) -> Part:
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def restore() -> None:
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)
        torch.clear_autocast_cache()  # it may hold casts of weights that are no more

    return Part((f"autocast on {kind}",), restore)


def reseed_all(seed: int, generators: Iterable[Generator]) -> None:
    """Start every global source, and the given generators, from a seed."""
    seed = int(np.random.SeedSequence((STREAM, seed)).generate_state(1)[0])  # small seeds are popular
    seed_globals(seed)
    torch.manual_seed(seed)  # every device
    for generator in generators:
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed)
        elif isinstance(generator, np.random.Generator):
            bits: Any = generator.bit_generator
            bits.state = type(bits)(seed).state
        else:
            generator.seed(seed)
