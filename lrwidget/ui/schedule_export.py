"""What a user takes away from the Schedule tab: a variable, a file, some code."""

from __future__ import annotations

import base64
from collections.abc import MutableMapping
from typing import Any

from ipywidgets import HTML, Box, Dropdown, VBox

from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.schedule_preview import Preview, ScheduleFrame
from lrwidget.schedules.schedule import Framework
from lrwidget.ui import markup
from lrwidget.ui.parts import Act, Explained, button, set_traits
from lrwidget.ui.variable import Variable

_FRAMEWORKS: dict[str, Framework] = {
    "PyTorch": "torch",
    "transformers": "transformers",
    "Keras": "keras",
    "optax": "optax",
}
_MOST_ROWS = 500_000


class ScheduleExport:
    """The lower part of the tab: save to a variable, download, copy.

    Parameters
    ----------
    model
        Where the schedule comes from.
    act
        Carries out what the user asks for.
    namespace
        Where variables go; that of the notebook where None.
    """

    def __init__(self, model: ScheduleModel, act: Act, namespace: MutableMapping[str, Any] | None = None) -> None:
        self._model = model
        self._preview: Preview | None = None
        self._written: tuple[Preview, str] | None = None
        self._link = ""
        self.variable = Variable("schedule_df", model.to_dataframe, act, namespace)
        self.csv = button("CSV", "Write the same table as a file to download", "save", act, self.make_csv)
        self.framework = Dropdown(options=list(_FRAMEWORKS), description="Code")
        self.framework.observe(lambda _: act(lambda: None), "value")
        self._says = HTML().add_class("lrw-export-says")
        self._code = HTML().add_class("lrw-code")
        framework = Explained(self.framework, "The framework for which the schedule is written as code")
        row = Box([self.variable.box, self.csv, framework]).add_class("lrw-export-row")
        self.box = VBox([row, self._says, self._code]).add_class("lrw-export")

    # Intents

    def make_csv(self) -> None:
        """Write the table into a link that downloads it."""
        if self._model.total_steps > _MOST_ROWS:
            self._link = f"More than {_MOST_ROWS:,} rows: too much for a link. Save the DataFrame and use its to_csv()."
            return
        table = self._model.to_dataframe()
        data = table.to_csv(index=False).encode()
        encoded = base64.b64encode(data).decode()
        size = f"{len(data) / 1e6:.1f} MB" if len(data) >= 1e5 else f"{len(data) / 1e3:.1f} kB"
        self._link = (
            f'<a class="lrw-download" download="schedule.csv" href="data:text/csv;base64,{encoded}">'
            f"Download schedule.csv</a> ({len(table):,} rows, {size})"
        )

    # Output

    def render(self, frame: ScheduleFrame) -> None:
        """Show this frame."""
        preview, self._preview = self._preview, frame.preview
        if frame.preview is not preview:
            self._link = ""  # of another schedule, as is what was said
            self.variable.forget()
        cannot = bool(frame.problem) or frame.preview is None
        self.variable.render(is_empty=cannot)
        set_traits(self.csv, disabled=cannot)
        set_traits(self._says, value=f"<div>{self._link}</div>" if self._link else "")
        self._render_code(frame)

    def _render_code(self, frame: ScheduleFrame) -> None:
        if frame.problem or frame.preview is None:
            self._written = None
            set_traits(self._code, value="")
            return
        wanted = (frame.preview, self.framework.value)
        if self._written is None or self._written[0] is not wanted[0] or self._written[1] != wanted[1]:
            self._written = wanted
            code = frame.preview.schedule.code(_FRAMEWORKS[self.framework.value])
            rows = min(24, code.count("\n") + 1)
            box = f'rows="{rows}" title="Select and copy" aria-label="Code of the schedule"'
            self._code.value = markup.code(code, box)
