"""What a user takes away from the Schedule tab: a variable, a file, some code."""

from __future__ import annotations

import base64
import keyword
from collections.abc import MutableMapping
from typing import Any

from ipywidgets import HTML, Box, Dropdown, Label, Text, VBox

from lrwidget.live.schedule_model import ScheduleModel
from lrwidget.live.schedule_preview import Preview, ScheduleFrame
from lrwidget.schedules.schedule import Framework
from lrwidget.ui import markup
from lrwidget.ui.parts import Act, Explained, button, set_traits

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
        self._namespace = namespace
        self._preview: Preview | None = None
        self._written: tuple[Preview, str] | None = None
        self._message = ""
        self._asked = ""  # the name whose overwriting has been asked for
        self._link = ""
        self.variable = Text("schedule_df", continuous_update=False)
        self.variable.tooltip = "Variable: the name under which the notebook shall find the table"
        self.variable.observe(lambda _: act(self._forget_question), "value")
        tip = "Put one row per step into that variable: step, epoch, lr, momentum"
        self.save = button("DataFrame", tip, "table", act, self.save_variable)
        self.csv = button("CSV", "Write the same table as a file to download", "save", act, self.make_csv)
        self.framework = Dropdown(options=list(_FRAMEWORKS), description="Code")
        self.framework.observe(lambda _: act(lambda: None), "value")
        self._says = HTML().add_class("lrw-export-says")
        self._code = HTML().add_class("lrw-code")
        framework = Explained(self.framework, "The framework for which the schedule is written as code")
        row = Box([Label("Save as"), self.variable, self.save, self.csv, framework]).add_class("lrw-export-row")
        self.box = VBox([row, self._says, self._code]).add_class("lrw-export")

    # Intents

    def save_variable(self) -> None:
        """Put the table into the variable; where there is something under that name, ask first."""
        name = self.variable.value.strip()
        namespace = _notebook() if self._namespace is None else self._namespace
        if not name.isidentifier() or keyword.iskeyword(name):
            self._message = f"need a name such as schedule_df, got {name!r}; letters, digits and _ only"
        elif namespace is None:
            self._message = "need a notebook to put a variable into, got none; use to_dataframe()"
        elif name in namespace and self._asked != name:
            self._asked = name
            kind = type(namespace[name]).__name__
            self._message = f"{name} exists ({kind}). Press Overwrite to replace it, or choose another name."
        else:
            table = self._model.to_dataframe()
            namespace[name] = table
            self._asked = ""
            self._message = f"{name} has {len(table):,} rows: {', '.join(table.columns)}."

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

    def _forget_question(self) -> None:
        self._asked = self._message = ""

    # Output

    def render(self, frame: ScheduleFrame) -> None:
        """Show this frame."""
        preview, self._preview = self._preview, frame.preview
        if frame.preview is not preview:
            self._link = self._message = self._asked = ""  # they speak of another schedule
        cannot = bool(frame.problem) or frame.preview is None
        is_question = bool(self._asked)
        set_traits(
            self.save,
            description="Overwrite" if is_question else "DataFrame",
            button_style="warning" if is_question else "",
            disabled=cannot,
        )
        set_traits(self.csv, disabled=cannot)
        message = f'<div role="status">{markup.text(self._message)}</div>' if self._message else ""
        set_traits(self._says, value=message + (f"<div>{self._link}</div>" if self._link else ""))
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
            # Lab's own shortcuts must not see the keys pressed in here: a C there copies a cell.
            self._code.value = (
                f'<textarea readonly data-lm-suppress-shortcuts="true" spellcheck="false" rows="{rows}" '
                f'title="Select and copy" aria-label="Code of the schedule">{markup.text(code)}</textarea>'
            )


def _notebook() -> MutableMapping[str, Any] | None:
    """Give the variables of the notebook, None outside of one."""
    from IPython import get_ipython

    shell = get_ipython()
    return None if shell is None else shell.user_ns
