"""The one list of schedules: what each is called, and what its parameters are, mean and may be.

A function that makes a schedule is decorated with `@register`, which says for each parameter what kind of number it is.
The decorator checks and tidies the arguments by that, and keeps it for whoever builds controls from it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from itertools import pairwise
from numbers import Integral, Real
from operator import index
from types import MappingProxyType
from typing import Any, Literal, ParamSpec

from .schedule import Schedule

P = ParamSpec("P")
Kind = Literal["lr", "floor", "steps", "total", "count", "number", "choice", "flag", "milestones", "other"]


@dataclass(frozen=True)
class Parameter:
    """What one parameter of a schedule is.

    Attributes
    ----------
    kind
        "lr": a rate; "floor": a rate up to the peak; "steps": a number of steps; "total": that of the whole training;
        "count": a whole number; "number": a float; "choice"; "flag": yes or no; "milestones": increasing steps;
        "other": not for a control.
    label
        Words for a control.
    unit
        What a value counts: "steps", "of peak", "" ...
    least, most, above
        Values allowed: `least` <= value <= `most`, without `least` itself where `above`.
    low, high, scale
        A sensible range for a slider, "linear" or "log". For "steps" and "milestones" it is a share of the total.
    start
        Where a slider starts (a share of the total for "steps", of the peak for "floor").
    choices
        The words allowed for a "choice".
    none_at_zero
        None is allowed, and a slider gives it at 0.
    name, default, help
        Filled in from the function that makes the schedule: its signature and docstring.
    """

    kind: Kind
    label: str = ""
    unit: str = ""
    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    low: float = 0.0
    high: float = 1.0
    scale: Literal["linear", "log"] = "linear"
    start: Any = None
    choices: tuple[str, ...] = ()
    none_at_zero: bool = False
    name: str = ""
    default: Any = inspect.Parameter.empty
    help: str = ""

    def checked(self, value: Any) -> Any:
        """Give the value as plain Python, or raise.

        Raises
        ------
        TypeError
            If it is of the wrong sort.
        ValueError
            If it is out of range; the message says what is wanted, what came and what to do.
        """
        if value is None and self.none_at_zero:
            return None
        if self.kind == "other":
            return _frozen(value)
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise TypeError(f"need True or False for {self.name}, got {value!r}")
            return value
        if self.kind == "choice":
            if value not in self.choices:
                words = " or ".join(map(repr, self.choices))
                raise ValueError(f"need {self.name} to be {words}, got {self.name}={value!r}; choose one of them")
            return value
        if self.kind == "milestones":
            return _checked_milestones(self.name, value)
        return self._checked_number(value)

    def _checked_number(self, value: Any) -> float:
        whole = self.kind in ("steps", "total", "count")
        if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
            wanted, remedy = ("a whole number", "an int") if whole else ("a number", "a float")
            raise TypeError(f"need {wanted} for {self.name}, got {value!r}; pass {remedy}")
        number: float = index(value) if isinstance(value, Integral) and whole else float(value)
        too_low = number <= self.least if self.above else number < self.least
        if too_low or number > self.most or not math.isfinite(number):
            raise ValueError(f"need {self._range()}, got {self.name}={number:g}; {self._remedy()}")
        return number

    def _range(self) -> str:
        lower = f"{self.least:g} {'<' if self.above else '<='} {self.name}"
        if math.isfinite(self.most):
            return f"{lower} <= {self.most:g}"
        return f"{self.name} {'>' if self.above else '>='} {self.least:g}"

    def _remedy(self) -> str:
        if self.kind == "total":
            return "give the number of optimizer steps of the whole training (epochs x batches per epoch)"
        if self.kind == "steps":
            return f"usual values lie between {self.low:.0%} and {self.high:.0%} of the training's steps"
        return f"usual values lie between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Entry:
    """One schedule of the list: its name, its title for a menu, its maker, its parameters, and one line about it."""

    name: str
    title: str
    maker: Callable[..., Schedule]
    parameters: tuple[Parameter, ...]
    summary: str

    @property
    def is_plain(self) -> bool:
        """Whether all its parameters can be set by controls (false for what is made from other schedules)."""
        return all(parameter.kind != "other" for parameter in self.parameters)


_ENTRIES: dict[str, Entry] = {}
SCHEDULES: Mapping[str, Entry] = MappingProxyType(_ENTRIES)


def make(name: str, arguments: Mapping[str, Any]) -> Schedule:
    """Make the schedule of that name.

    Raises
    ------
    ValueError
        If there is none of that name, or an argument makes no sense.
    """
    if name not in _ENTRIES:
        raise ValueError(f"need one of {', '.join(sorted(_ENTRIES))}, got {name!r}; see lrwidget.schedules")
    return _ENTRIES[name].maker(**arguments)


def register(
    title: str, parameters: Mapping[str, Parameter]
) -> Callable[[Callable[P, Schedule]], Callable[P, Schedule]]:
    """Put a function that makes a schedule on the list, its arguments to be checked by the parameters' description."""

    def decorate(function: Callable[P, Schedule]) -> Callable[P, Schedule]:
        signature = inspect.signature(function)
        described = _describe(signature, parameters, inspect.getdoc(function) or "")
        name = function.__name__

        @wraps(function)
        def maker(*args: P.args, **kwargs: P.kwargs) -> Schedule:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = {p.name: p.checked(bound.arguments[p.name]) for p in described}
            _check_together(arguments)
            bound.arguments.update(arguments)
            return replace(function(*bound.args, **bound.kwargs), name=name, arguments=MappingProxyType(arguments))

        summary = (inspect.getdoc(function) or "").partition("\n")[0]
        _ENTRIES[name] = Entry(name, title, maker, described, summary)
        return maker

    return decorate


def _describe(
    signature: inspect.Signature, parameters: Mapping[str, Parameter], docstring: str
) -> tuple[Parameter, ...]:
    """Join what the signature, the decorator and the docstring say of each parameter."""
    if list(signature.parameters) != list(parameters):
        raise TypeError(f"need a description of each of {list(signature.parameters)}, got {list(parameters)}")
    helps = _help_by_name(docstring)
    return tuple(
        replace(parameters[name], name=name, default=argument.default, help=helps.get(name, ""))
        for name, argument in signature.parameters.items()
    )


def _help_by_name(docstring: str) -> dict[str, str]:
    """Read the `Parameters` section of a NumPy docstring: each name, or list of names, with its text on one line."""
    section = docstring.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    helps: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if line.startswith(" "):
            helps.update({name: f"{helps.get(name, '')} {line.strip()}".strip() for name in names})
        else:
            names = [name.strip() for name in line.split(",")]
    return helps


def _check_together(arguments: Mapping[str, Any]) -> None:
    """Check what holds between parameters that many schedules share."""
    if "peak" in arguments and "floor" in arguments and arguments["floor"] > arguments["peak"]:
        raise ValueError(
            f"need floor <= peak, got floor={arguments['floor']:g}, peak={arguments['peak']:g}; "
            "lower the floor or raise the peak"
        )
    if "warmup_steps" in arguments and "total_steps" in arguments:
        warmup_steps, total_steps = arguments["warmup_steps"], arguments["total_steps"]
        if warmup_steps >= total_steps:
            raise ValueError(
                f"need warmup_steps < total_steps, got warmup_steps={warmup_steps}, total_steps={total_steps}; "
                "shorten the warm-up or train longer"
            )


def _frozen(value: Any) -> Any:
    """Give several values as a tuple of plain ones, so that what a schedule is made of never changes under it."""
    values = value.tolist() if hasattr(value, "tolist") else value  # arrays, tensors, columns of a DataFrame
    return tuple(values) if isinstance(values, Iterable) else values


def _checked_milestones(name: str, value: Any) -> tuple[int, ...]:
    try:
        steps = tuple(value)
    except TypeError:
        raise TypeError(f"need a sequence of steps for {name}, got {value!r}; pass a list") from None
    if any(isinstance(step, bool) or not isinstance(step, Integral) for step in steps):
        raise TypeError(f"need whole numbers of steps for {name}, got {value!r}; pass ints")
    steps = tuple(int(step) for step in steps)
    if not steps or steps[0] < 1 or any(later <= step for step, later in pairwise(steps)):
        raise ValueError(f"need {name} increasing and at least 1, got {name}={list(steps)}; sort them")
    return steps
