"""A notebook in the browser, as a user handles it: open, run, read, click. One class for each front end."""

from __future__ import annotations

import ast
import json
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, ViewportSize

from tests.browser.servers import Server

VIEWPORT: ViewportSize = {"width": 1200, "height": 1000}

# What the front ends themselves complain of on a page without any widget.
_NOT_OURS = (
    "Failed to load resource",  # 404 of optional files: custom.css, a workspace that does not exist yet
    "Cannot read properties of undefined (reading 'schema')",  # Notebook 7, while its plugins start
    "Error: The getter for the shared module is not a function.",  # Voila, while it loads Lab's extensions
)

_KERNEL_IS_READY = """() => {
    const session = window.jupyterapp.shell.currentWidget?.sessionContext
    const kernel = session?.session?.kernel
    return !!(kernel && session.isReady && kernel.status === 'idle' && kernel.connectionStatus === 'connected')
}"""

# Closes all documents as they are, saved or not.
_CLOSE_ALL = """() => {
    for (const widget of [...(window.jupyterapp?.shell.widgets('main') ?? [])]) widget.dispose()
}"""

_EVALUATE = """async ({code, expression}) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
    const future = kernel.requestExecute(
        {code, store_history: false, allow_stdin: true, user_expressions: {value: expression}})
    return (await future.done).content
}"""


class FrontEnd:
    """What the three front ends have in common.

    Parameters
    ----------
    page
        An empty browser page.
    server
        The server it talks to.
    """

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)

    def _note(self, error: str) -> None:
        if not error.startswith(_NOT_OURS):
            self.errors.append(error)

    @property
    def output(self) -> Locator:
        """Where the widgets are: the outputs of the cells."""
        return self.page.locator(".jp-OutputArea-output")

    def button(self, name: str) -> Locator:
        """A button of a widget, by the name that is read out for it."""
        return self.output.get_by_role("button", name=name, exact=True)

    def tab(self, name: str) -> Locator:
        """The head of a tab of a widget."""
        return self.output.get_by_role("tab", name=name, exact=True)

    def screenshot(self, path: Path) -> None:
        """Save what the window shows."""
        self.page.screenshot(path=path)


class KernelPage(FrontEnd):
    """A front end that shows the cells of a notebook and lets one run them: JupyterLab and Notebook 7."""

    def open(self, notebook: str) -> None:
        """Load the page with this notebook and wait until its kernel listens."""
        self.page.goto(self._address(notebook))
        self.page.locator("#jupyterlab-splash").wait_for(state="detached", timeout=60_000)
        self._wait_for_notebook()

    def _wait_for_notebook(self) -> None:
        self.page.locator(".jp-NotebookPanel .jp-CodeCell").first.wait_for(timeout=60_000)
        self.wait_for_kernel()

    def _address(self, notebook: str) -> str:
        raise NotImplementedError

    def wait_for_kernel(self) -> None:
        """Wait until the kernel is connected and idle; the indicator on the page says so too early."""
        self.page.wait_for_function(_KERNEL_IS_READY, timeout=60_000)

    def cell(self, index: int) -> Locator:
        """A code cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(index)

    def start_cell(self, index: int) -> None:
        """Run a cell without waiting for it."""
        self.cell(index).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")

    def run_cell(self, index: int) -> None:
        """Run a cell and wait until it has been executed."""
        before = self._prompt(index)
        self.start_cell(index)
        self.page.wait_for_function(
            """([index, before]) => {
                const cells = document.querySelectorAll('.jp-Notebook .jp-CodeCell')
                const prompt = cells[index].querySelector('.jp-InputPrompt').textContent
                return prompt !== before && /^\\[\\d+\\]:$/.test(prompt)
            }""",
            arg=[index, before],
            timeout=60_000,
        )

    def _prompt(self, index: int) -> str:
        return self.cell(index).locator(".jp-InputPrompt").text_content() or ""

    def run_all(self, timeout_seconds: float = 120) -> None:
        """Run all cells and wait until each has been executed."""
        self.command("notebook:run-all-cells")
        self.page.wait_for_function(
            """() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')]
                .every(prompt => /^\\[\\d+\\]:$/.test(prompt.textContent))""",
            timeout=timeout_seconds * 1000,
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of JupyterLab without waiting for its end."""
        self.page.evaluate("([name, args]) => { window.jupyterapp.commands.execute(name, args) }", [name, arguments])

    def save(self) -> None:
        """Save the notebook and wait until that is done."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def restart_kernel(self) -> None:
        """Restart the kernel without asking, and wait until the new one listens."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        self.wait_for_kernel()

    def set_theme(self, name: str) -> None:
        """Switch to ``"light"`` or ``"dark"`` and wait until it has come."""
        self.command("apputils:change-theme", theme=f"JupyterLab {name.capitalize()}")
        self.page.locator(f"body[data-jp-theme-light={'true' if name == 'light' else 'false'}]").wait_for(
            state="attached"
        )

    def evaluate(self, expression: str, before: str = "") -> Any:
        """Ask the kernel for the value of a Python expression that JSON can carry, after running some code first."""
        content = self.page.evaluate(
            _EVALUATE, {"code": before, "expression": f"__import__('json').dumps({expression})"}
        )
        if content["status"] != "ok" or content["user_expressions"]["value"]["status"] != "ok":
            raise RuntimeError(f"the kernel could not evaluate {expression!r}: {content}")
        return json.loads(ast.literal_eval(content["user_expressions"]["value"]["data"]["text/plain"]))

    def wait_until(self, expression: str, timeout_seconds: float = 30) -> None:
        """Wait until a Python expression is true in the kernel."""
        deadline = time.monotonic() + timeout_seconds
        while not self.evaluate(f"bool({expression})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not true in the kernel within {timeout_seconds} s: {expression}")
            self.page.wait_for_timeout(50)


class LabPage(KernelPage):
    """JupyterLab, one notebook filling the window, which may be opened in a window that has shown others."""

    def open(self, notebook: str) -> None:
        """Open the notebook in the window, whose page is loaded if it is not yet, and wait until its kernel listens."""
        if self.page.url == "about:blank":
            self.load(notebook)
        else:
            self.command("docmanager:open", path=notebook)
            self._wait_for_notebook()

    def load(self, notebook: str) -> None:
        """Load the page anew with this notebook and wait until its kernel listens."""
        super().open(notebook)
        # The file browser leaves too little room at 480 px.
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def clear(self) -> None:
        """Close what is open, and put the window into the state in which a test expects it."""
        self.page.evaluate(_CLOSE_ALL)
        self.server.stop_kernels()
        self.page.context.clear_permissions()
        self.page.set_viewport_size(VIEWPORT)
        self.page.mouse.move(0, 0)
        self.errors.clear()

    def _address(self, notebook: str) -> str:
        return f"{self.server.url}/lab/workspaces/t{time.monotonic_ns()}/tree/{notebook}?reset"


class NotebookPage(KernelPage):
    """Notebook 7."""

    def _address(self, notebook: str) -> str:
        return f"{self.server.url}/notebooks/{notebook}"


class VoilaPage(FrontEnd):
    """Voila: the outputs of a notebook without its code."""

    def open(self, notebook: str) -> None:
        """Open the notebook as an app and wait until its cells have been run."""
        self.page.goto(f"{self.server.url}/voila/render/{notebook}", timeout=120_000)
        self.output.first.wait_for(timeout=120_000)
