"""A table into a variable of the notebook: the user names it, and is asked before anything is overwritten."""

from __future__ import annotations

import keyword
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from ipywidgets import HTML, Box, Text, VBox

from lrwidget.ui import markup
from lrwidget.ui.parts import Act, Explained, button, set_traits

if TYPE_CHECKING:
    import pandas as pd


class Variable:
    """A name, a button, and what came of it.

    Parameters
    ----------
    name
        What is offered.
    table
        Makes the table.
    act
        Carries out what the user asks for.
    namespace
        Where variables go; that of the notebook where None.
    """

    def __init__(
        self,
        name: str,
        table: Callable[[], pd.DataFrame],
        act: Act,
        namespace: MutableMapping[str, Any] | None = None,
    ) -> None:
        self._offered = name
        self._table = table
        self._namespace = namespace
        self._message = ""
        self._asked = ""  # the name whose overwriting has been asked for
        self.name = Text(name, description="Save as", continuous_update=False)
        self.name.observe(lambda _: act(self.forget), "value")
        self.save = button("DataFrame", "Put the table into that variable", "table", act, self.export)
        self._says = HTML()
        named = Explained(self.name, "The name under which the notebook shall find the table")
        row = Box([named, self.save]).add_class("lrw-row")
        self.box = VBox([row, self._says]).add_class("lrw-variable")

    def export(self) -> None:
        """Put the table into the variable; where there is something under that name, ask first."""
        name = self.name.value.strip()
        namespace = _notebook() if self._namespace is None else self._namespace
        if not name.isidentifier() or keyword.iskeyword(name):
            self._message = f"need a name such as {self._offered}, got {name!r}; letters, digits and _ only"
        elif namespace is None:
            self._message = "need a notebook to put a variable into, got none; use to_dataframe()"
        elif name in namespace and self._asked != name:
            self._asked = name
            kind = type(namespace[name]).__name__
            self._message = f"{name} exists ({kind}). Press Overwrite to replace it, or choose another name."
        else:
            table = self._table()
            namespace[name] = table
            self._asked = ""
            self._message = f"{name} has {len(table):,} rows: {', '.join(table.columns)}."

    def render(self, is_empty: bool) -> None:
        """Show whether there is a table to save, and what came of the last attempt."""
        is_question = bool(self._asked)
        set_traits(
            self.save,
            description="Overwrite" if is_question else "DataFrame",
            button_style="warning" if is_question else "",
            disabled=is_empty,
        )
        set_traits(self._says, value=f'<div role="status">{markup.text(self._message)}</div>' if self._message else "")

    def forget(self) -> None:
        """Drop the question and the message: they speak of something that is gone."""
        self._asked = self._message = ""


def _notebook() -> MutableMapping[str, Any] | None:
    """The variables of the notebook, None outside of one."""
    from IPython import get_ipython

    shell = get_ipython()
    return None if shell is None else shell.user_ns
