"""The line of code that makes an optimizer again, with another learning rate."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import torch


def optimizer_code(optimizers: Sequence[torch.optim.Optimizer], lr: str) -> str:
    """What to paste into a script so that it trains with this rate.

    Parameters
    ----------
    optimizers
        Those of the train step.
    lr
        The learning rate as it is to be written.

    Returns
    -------
    str
        ``optimizer = torch.optim.SGD(model.parameters(), lr=3.2e-2, momentum=0.9)``, with the arguments that are not
        the defaults. Of several optimizers or groups, and of those that are not PyTorch's own, ``lr = 3.2e-2``.
    """
    kind = type(optimizers[0])
    is_plain = len(optimizers) == 1 and len(optimizers[0].param_groups) == 1
    if not is_plain or getattr(torch.optim, kind.__name__, None) is not kind:
        return f"lr = {lr}"
    given = optimizers[0].defaults
    defaults = {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
    others = [
        f", {name}={given[name]!r}"
        for name, default in defaults.items()
        if name in given and name != "lr" and given[name] != default
    ]
    return f"optimizer = torch.optim.{kind.__name__}(model.parameters(), lr={lr}{''.join(others)})"
