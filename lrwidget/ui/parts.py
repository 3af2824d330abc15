"""What the parts of the widget have in common.

A part is made with the session whose intents its inputs call, and with `act`, which carries those calls out. It has a
``box``, which the widget shows, and ``render(frame)``, which writes what has changed and nothing else. Only `render`
writes; the functions that listen to inputs only call `act`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Any, Protocol

from ipywidgets import Box, Button, DOMWidget, Widget
from traitlets import HasTraits, Unicode

from lrwidget.live.frames import Frame

Act = Callable[[Callable[[], object]], None]
"""Carries out an intent, shows the exception it may raise, and has the next frame drawn."""


class Renders(Protocol):
    """Something that shows frames."""

    def render(self, frame: Frame) -> None: ...


class Pane(Renders, Protocol):
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


class Inputs:
    """The inputs of a part: what the user does with them is carried out, what `render` writes to them is not.

    Parameters
    ----------
    act
        Carries out what the user asks for.
    """

    def __init__(self, act: Act) -> None:
        self._act = act
        self.is_quiet = False

    def listen(self, source: HasTraits, intent: Callable[[Any], object], names: str | list[str] = "value") -> None:
        """Call the intent with each value to which the user sets one of these traits."""

        def on_source_change(change: Any) -> None:
            if not self.is_quiet:
                self._act(lambda: intent(change["new"]))

        source.observe(on_source_change, names)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Listen to nothing: what is written meanwhile comes back as a change, but is nobody's wish."""
        self.is_quiet = True
        try:
            yield
        finally:
            self.is_quiet = False


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


def set_class(widget: DOMWidget, name: str, is_there: bool) -> None:
    """Give a widget a class of the style sheet, or take it away; no message where it is so already."""
    (widget.add_class if is_there else widget.remove_class)(name)


def set_range(slider: Any, low: float, high: float) -> None:
    """Give a slider other ends, in the order that never crosses them."""
    if (slider.min, slider.max) == (low, high):
        return
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


def close_tree(root: object, but: Widget | None = None) -> None:
    """Close all widgets that hang on this, but one that closes itself; see `tree`."""
    for widget in tree(root):
        if widget is not but:
            widget.close()


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
