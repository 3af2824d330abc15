"""Schedules as source text for PyTorch, transformers, Keras and optax.

A framework's own class is used where it gives the same values (`native.py` knows); elsewhere the formula is written
out: the text of the function in `formulas.py`, with its numbers filled in and the framework's array functions put in.
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, get_args

from .native import LINE_LENGTH, NAMES, native_code
from .schedule import Formula, Framework, Schedule

_ARRAYS = {"torch": "np", "transformers": "np", "keras": "ops", "optax": "jnp"}
_IMPORTS = {
    "torch": "import numpy as np\nimport torch",
    "transformers": "import numpy as np\nimport torch",
    "keras": "import keras\nfrom keras import ops",
    "optax": "import jax.numpy as jnp",
}


def write_code(schedule: Schedule, framework: Framework) -> str:
    """Give the source text; see `Schedule.code`."""
    if framework not in get_args(Framework):
        words = ", ".join(map(repr, get_args(Framework)))
        raise ValueError(f"need framework to be one of {words}, got {framework!r}; choose one of them")
    text = native_code(schedule, framework)
    if text is not None:
        return text
    definitions = _Definitions(_ARRAYS[framework])
    lr = definitions.name_of(schedule.formula, "lr")
    momentum = None
    if schedule.has_momentum and framework != "keras":  # which has no schedule for the momentum
        momentum = definitions.name_of(schedule.momentum_formula, "momentum")
    note = f"# {NAMES[framework]} has no schedule of just this kind:\n# the formula of {schedule.name} is written out."
    functions = "\n\n\n".join(definitions.texts)
    imports = ("import math\n\n" if "math." in functions else "") + _IMPORTS[framework]
    if schedule.has_momentum and framework == "keras":
        note += "\n# Keras can schedule the learning rate only: the momentum of this schedule is left out."
    return f"{note}\n{imports}\n\n\n{functions}\n\n\n{_ENDINGS[framework](lr, momentum)}"


class _Definitions:
    """Function definitions in order, each formula after those that it is given."""

    def __init__(self, arrays: str) -> None:
        self.arrays = arrays
        self.texts: list[str] = []
        self._names: set[str] = set()

    def name_of(self, formula: Any, wish: str) -> str:
        """Write the definition of a formula and give the name under which it can be called."""
        if not isinstance(formula, Formula) or formula.function.__module__ != f"{__package__}.formulas":
            raise ValueError(
                "need a schedule with a formula, got a recorded one; keep its to_dataframe() or its own scheduler"
            )
        arguments = {
            key: self.name_of(value, key) if isinstance(value, Formula) else repr(value)
            for key, value in formula.arguments.items()
        }
        name = next(name for name in _numbered(wish) if name not in self._names)
        self._names.add(name)
        self.texts.append(_definition(formula, name, arguments, self.arrays))
        return name


def _numbered(wish: str) -> Iterator[str]:
    yield wish
    yield from (f"{wish}_{number}" for number in count(2))


def _definition(formula: Formula, name: str, arguments: dict[str, str], arrays: str) -> str:
    """Write a formula's function under another name, its arguments as defaults, its steps kept in range."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(formula.function)))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    first, *others = function.args.args
    function.name, function.returns = name, None
    for argument in function.args.args:
        argument.annotation = None
    function.args.defaults = [ast.parse(arguments[argument.arg], mode="eval").body for argument in others]
    step = first.arg
    keep = (
        f"{step} = np.clip({step}, 0.0, {float(formula.last_step)!r})"
        if math.isfinite(formula.last_step)
        else f"{step} = np.maximum({step}, 0.0)"
    )
    function.body.insert(0, ast.parse(keep).body[0])
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == "np":
            node.id = arrays
        if isinstance(node, ast.Attribute) and node.attr == "float_power" and arrays == "ops":
            node.attr = "power"  # Keras has it under this name only
    head, _, body = ast.unparse(ast.fix_missing_locations(tree)).partition("\n")
    return f"{_wrapped(head)}\n{body}"


def _wrapped(head: str) -> str:
    """Put the arguments of a definition that is too long for a line onto lines of their own."""
    if len(head) <= LINE_LENGTH:
        return head
    name, _, arguments = head.removesuffix("):").partition("(")
    lines = textwrap.wrap(arguments, LINE_LENGTH - 4, break_long_words=False, break_on_hyphens=False)
    return "\n".join([f"{name}(", *(f"    {line}" for line in lines), "):"])


def _end_torch(lr: str, momentum: str | None) -> str:
    if momentum is None:
        return textwrap.dedent(f"""\
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] = 1.0  # the function gives the whole rate, not a factor
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float({lr}(step)))
            """)
    return textwrap.dedent(f"""\
        class Scheduler(torch.optim.lr_scheduler.LRScheduler):
            def get_lr(self):
                value = float({momentum}(self.last_epoch))
                for group in self.optimizer.param_groups:
                    if "betas" in group:
                        group["betas"] = (value, *group["betas"][1:])
                    else:
                        group["momentum"] = value
                return [float({lr}(self.last_epoch)) for _ in self.optimizer.param_groups]


        scheduler = Scheduler(optimizer)
        """)


def _end_transformers(lr: str, momentum: str | None) -> str:
    return _end_torch(lr, momentum) + "# Trainer(..., optimizers=(optimizer, scheduler))\n"


def _end_keras(lr: str, momentum: str | None) -> str:
    return textwrap.dedent(f"""\
        class Schedule(keras.optimizers.schedules.LearningRateSchedule):
            def __call__(self, step):
                return {lr}(ops.cast(step, "float32"))

            def get_config(self):
                return {{}}


        learning_rate = Schedule()
        """)


def _end_optax(lr: str, momentum: str | None) -> str:
    both = f"schedule = {lr}\n"
    if momentum is None:
        return both
    return both + textwrap.dedent(f"""\
        momentum_schedule = {momentum}
        # optax.inject_hyperparams(optax.sgd)(learning_rate=schedule, momentum=momentum_schedule)
        """)


_ENDINGS: dict[str, Callable[[str, str | None], str]] = {
    "torch": _end_torch,
    "transformers": _end_transformers,
    "keras": _end_keras,
    "optax": _end_optax,
}
