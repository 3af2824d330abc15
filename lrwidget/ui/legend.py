"""The legend: one row for each run, once there are several."""

from __future__ import annotations

from ipywidgets import HTML, Box, Text, ToggleButton, VBox

from lrwidget.live.frames import Frame, RunEntry
from lrwidget.live.session import Session
from lrwidget.ui import markup
from lrwidget.ui.marks import CURVE, past_colour
from lrwidget.ui.parts import Act, Inputs, button, set_class, set_traits


class Legend:
    """Names, colours and settings of the runs.

    The rows stay when runs come and go, and show others: each widget that is made and closed costs the browser memory
    that it never gets back.

    Parameters
    ----------
    session
        Takes new names and what shall be shown.
    act
        Carries out what the user asks for.
    """

    def __init__(self, session: Session, act: Act) -> None:
        self._session = session
        self._act = act
        self._rows: list[_Row] = []
        self.box = VBox([]).add_class("lrw-legend")

    def render(self, frame: Frame) -> None:
        """Show this frame's runs, if they are more than one."""
        entries = frame.runs if len(frame.runs) > 1 else ()
        while len(self._rows) < len(entries):
            self._rows.append(_Row(self._session, self._act))
        rows = self._rows[: len(entries)]
        for row, entry in zip(rows, entries, strict=True):
            row.render(entry)
        set_traits(self.box, children=tuple(row.box for row in rows))


class _Row:
    """One run: at any time the one that was rendered last."""

    def __init__(self, session: Session, act: Act) -> None:
        self._number = 0
        self._inputs = Inputs(act)
        self._swatch = HTML().add_class("lrw-swatch")
        self.name = Text(continuous_update=False, tooltip="The name of this run")
        self.name.add_class("lrw-run-name")
        self._summary = HTML().add_class("lrw-run-summary")
        self.show = ToggleButton(value=True, description="show", tooltip="Show or hide this curve")
        self.show.add_class("lrw-toggle").add_class("lrw-icon-show")
        self.restore = button(
            "settings",
            "Take the settings of this run for the next one",
            "back",
            act,
            lambda: session.restore_settings(self._number),
        )
        self.delete = button("delete", "Forget this run", "dismiss", act, lambda: session.runs.delete(self._number))

        self._inputs.listen(self.name, lambda name: session.runs.rename(self._number, name))
        self._inputs.listen(self.show, lambda is_shown: session.runs.show(self._number, is_shown))
        parts = [self._swatch, self.name, self._summary, self.show, self.restore, self.delete]
        self.box = Box(parts).add_class("lrw-run-row")

    def render(self, entry: RunEntry) -> None:
        """Show this entry."""
        with self._inputs.quiet():
            self._number = entry.number
            colour = CURVE if entry.is_current else past_colour(entry.number)
            set_traits(self._swatch, value=f'<i style="background: {colour}"></i>')
            set_traits(self.name, value=entry.name)
            set_traits(self._summary, value=markup.text(entry.summary))
            set_traits(self.show, value=entry.is_shown, disabled=entry.is_current)
            set_class(self.box, "lrw-is-hidden", not entry.is_shown)
            set_traits(self.delete, disabled=entry.is_current)
