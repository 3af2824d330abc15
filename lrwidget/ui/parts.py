"""What the parts of the widget have in common.

A part is made with the session whose intents its inputs call, and with `act`, which carries those calls out. It has a
``box``, which the widget shows, and ``render(frame)``, which writes what has changed and nothing else. Only `render`
writes; the functions that listen to inputs only call `act`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import RLock
from typing import Any, Protocol

from ipywidgets import Box, Button, DOMWidget, Widget
from traitlets import Unicode

from lrwidget.live.frames import Frame

Act = Callable[[Callable[[], object]], None]
"""Carries out an intent, shows the exception it may raise, and has the next frame drawn."""


class Renders(Protocol):
    """Something that shows frames."""

    def render(self, frame: Frame) -> None: ...


class Part(Renders, Protocol):
    """A piece of the widget in a tab of its own."""

    box: DOMWidget


def button(name: str, tooltip: str, icon: str, act: Act, action: Callable[[], object]) -> Button:
    """A button with its name, a sentence on what it does, one of the `icons`, and what it does."""
    made = Button(description=name, tooltip=tooltip).add_class(f"lrw-icon-{icon}")
    made.on_click(lambda _: act(action))
    return made


def answer_from_here(*buttons: Button) -> None:
    """Have the next clicks on these buttons handled where the message that is handled now came in.

    That is a shell of its own beside the one that runs cells, where the front end has asked the kernel for one; so the
    buttons answer while a cell computes. ipykernel takes a widget's messages to the shell that it was last written for.
    """
    for made in buttons:
        made.send_state("tooltip")


class Explained(Box):
    """A box that is not seen, whose tooltip holds for what is in it.

    A list or a box with a label has no tooltip of its own in ipywidgets, nor has a box.

    Parameters
    ----------
    widget
        What is explained.
    tooltip
        One sentence on what it does.
    """

    description = Unicode("").tag(sync=True)  # the browser shows a tooltip only where this is there and empty

    def __init__(self, widget: DOMWidget, tooltip: str) -> None:
        super().__init__([widget], tooltip=tooltip)
        self.add_class("lrw-explained")


def set_traits(widget: Any, **values: Any) -> None:
    """Set the traits of a widget that differ: a message for each, none for those that stay."""
    for name, value in values.items():
        if getattr(widget, name) != value:
            setattr(widget, name, value)


def set_range(slider: Any, low: float, high: float) -> None:
    """Give a slider other ends, in the order that never crosses them."""
    with slider.hold_sync():
        if high < slider.min:
            set_traits(slider, min=low, max=high)
        else:
            set_traits(slider, max=high, min=low)


def tree(root: object) -> Iterator[Widget]:
    """All widgets that hang on this, each once.

    Parameters
    ----------
    root
        A widget with its children, layouts, scales and marks; a part, with whatever it holds in its attributes, shown
        just now or not; or several of these.
    """
    seen: set[int] = set()
    pending: list[object] = [root]
    while pending:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Widget):
            yield value
            pending += [getattr(value, name) for name in value.keys]
        elif isinstance(value, list | tuple):
            pending += value
        elif isinstance(value, Mapping):
            pending += value.values()
        elif type(value).__module__.startswith(__package__):
            pending += vars(value).values()


def guard_messages(root: Widget, lock: RLock) -> None:
    """Have messages from the browser handled only while nobody renders.

    They may come in on any thread of the kernel, and a widget that is written to meanwhile breaks (its own bookkeeping
    knows no threads).
    """
    for widget in tree(root):
        if widget.comm is not None:
            widget.comm.on_msg(_Guarded(widget._handle_msg, lock))


class _Guarded:
    """A function that is only called under a lock."""

    def __init__(self, function: Callable[[Any], None], lock: RLock) -> None:
        self._function = function
        self._lock = lock

    def __call__(self, message: Any) -> None:
        with self._lock:
            self._function(message)
