"""What a function works with besides its arguments: state that nobody has passed may hide there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import FunctionType, MethodType
from typing import Any


def held_by(function: Any) -> Iterator[object]:
    """Itself and all that it refers to, one step deep; some of it perhaps more than once.

    Parameters
    ----------
    function
        A function (of which the variables around it and the globals that it names count), a method (its object and
        the attributes of that), a partial of either (its arguments), a function that wraps one, or another callable.
    """
    while function is not None:
        yield function
        if isinstance(function, partial):
            yield from function.args
            yield from function.keywords.values()
            function = function.func
            continue
        if isinstance(function, MethodType):
            yield function.__self__
            yield from getattr(function.__self__, "__dict__", {}).values()
            function = function.__func__
        if not isinstance(function, FunctionType):
            return
        yield from _contents(function)
        function = getattr(function, "__wrapped__", None)


def _contents(function: FunctionType) -> list[object]:
    """What is in the variables around it, and in the globals of the names in it, those of attributes included."""
    names = function.__globals__
    contents = [names[name] for name in function.__code__.co_names if name in names]
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not assigned yet
            contents.append(cell.cell_contents)
    return contents
