"""The Data tab: the numbers, and the ways to take them along."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Box, VBox

from lrwidget.axes import exact_number, rate_text, short_number, unpadded
from lrwidget.live.frames import Frame
from lrwidget.live.run_state import RunState
from lrwidget.live.session import Session
from lrwidget.ui import markup
from lrwidget.ui.parts import Act, button, set_traits
from lrwidget.ui.variable import Variable

if TYPE_CHECKING:
    import pandas as pd

_MOST_SHOWN = 400
_MOST_LINKED = 200_000
_FORMATS: dict[str, Callable[[Any], str]] = {
    "run": str,
    "step": str,
    "lr": short_number,
    "loss": lambda loss: unpadded(f"{loss:.5g}"),
    "smoothed_loss": lambda loss: unpadded(f"{loss:.5g}"),
    "grad_norm": lambda norm: unpadded(f"{norm:.4g}"),
}


class DataTab:
    """The table of all runs, as variable, file and line of code.

    Parameters
    ----------
    session
        Gives the table.
    act
        Carries out what the user asks for.
    set_lr
        Sets the learning rate of the user's optimizer; None where there is none to set.
    code
        Writes a line of Python that uses a learning rate, given as text.
    """

    def __init__(
        self,
        session: Session,
        act: Act,
        set_lr: Callable[[float], None] | None,
        code: Callable[[str], str],
    ) -> None:
        self._session = session
        self._set_lr = set_lr
        self._write_code = code
        self._frame: Frame | None = None
        self._shown: object = None
        self._applied: tuple[float, str] | None = None  # the rate, and what is said of it
        self.variable = Variable("lr_curve", self._table, act)
        self.apply = button("Apply", "Set the selected LR in the optimizer", "extend", act, self._apply)
        set_traits(self.apply.layout, display="" if set_lr else "none")
        self._link = HTML().add_class("lrw-link")
        self._code = HTML().add_class("lrw-copy")
        self._says = HTML()
        self._rows = HTML().add_class("lrw-table")
        take = Box([self.variable.box, self._link]).add_class("lrw-row")
        use = Box([self._code, self.apply, self._says]).add_class("lrw-row").add_class("lrw-use")
        self.box = VBox([take, use, self._rows]).add_class("lrw-data")

    def render(self, frame: Frame) -> None:
        """Show this frame's numbers; the table, while new ones are coming in, only in the end."""
        self._frame = frame
        self.variable.render(is_empty=not frame.runs)
        lr = frame.guide.selected_lr
        set_traits(self.apply, disabled=lr is None or frame.state.is_active)
        line = "" if lr is None else self._write_code(rate_text(lr, frame.guide.is_choice))
        set_traits(self._code, value=_code(line) if line else "")
        is_applied = self._applied is not None and self._applied[0] == lr
        set_traits(self._says, value=self._applied[1] if self._applied and is_applied else "")
        view = frame.num_begun, frame.state, frame.runs, frame.settings.smooth_factor
        if frame.state is not RunState.RUNNING and view != self._shown:
            self._shown = view
            table = self._table()
            self._rows.value = _as_html(table)
            self._link.value = _as_link(table)

    def _table(self) -> pd.DataFrame:
        return self._session.to_dataframe(all_runs=True)

    def _apply(self) -> None:
        lr = self._frame.guide.selected_lr if self._frame else None
        if self._set_lr is not None and lr is not None:
            self._set_lr(lr)
            words = f"The optimizer's learning rate is {exact_number(lr)} now; make its scheduler, if any, after this."
            self._applied = lr, f'<div role="status">{markup.text(words)}</div>'


def _code(line: str) -> str:
    """A line to copy: by its button, or by hand, for which a click or the Tab key selects all of it."""
    copy = (
        "const box = this.previousElementSibling; box.select(); "
        "this.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl+C'"
    )
    title = "A line of Python for the selected LR"
    box = f'rows="1" cols="{len(line)}" title="{title}" aria-label="Code" onclick="this.select()"'
    copier = f'<button class="jupyter-button lrw-icon-copy" title="Copy this line" onclick="{copy}">Copy</button>'
    return markup.code(line, box) + copier


def _as_html(table: pd.DataFrame) -> str:
    """The first and the last rows of a table."""
    if not len(table):
        return '<div class="lrw-faint">No steps yet.</div>'
    names = list(table.columns)
    half = _MOST_SHOWN // 2
    left_out = len(table) - _MOST_SHOWN
    rows = [_row(row) for row in (table if left_out <= 0 else table.head(half)).to_dict("records")]
    if left_out > 0:
        note = f"… {left_out:,} rows more in the DataFrame and the file …"
        rows.append(f'<tr><td class="lrw-faint" colspan="{len(names)}">{note}</td></tr>')
        rows += [_row(row) for row in table.tail(half).to_dict("records")]
    heads = "".join(f'<th scope="col">{markup.text(name.replace("_", " "))}</th>' for name in names)
    return (
        '<div class="lrw-scroll" tabindex="0" role="region" aria-label="The steps of all runs">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(row: dict[Any, Any]) -> str:
    return "<tr>" + "".join(f"<td>{markup.text(_FORMATS[name](value))}</td>" for name, value in row.items()) + "</tr>"


def _as_link(table: pd.DataFrame) -> str:
    """The table as a file in a link."""
    if not len(table):
        return ""
    if len(table) > _MOST_LINKED:
        return '<span class="lrw-faint">Too many rows for a link; save the DataFrame and use its to_csv().</span>'
    data = base64.b64encode(table.to_csv(index=False).encode()).decode()
    return (
        f'<a class="jupyter-button lrw-icon-save" download="lr_curve.csv" href="data:text/csv;base64,{data}" '
        f'title="Save all {len(table):,} rows as a file">Download CSV</a>'
    )
