"""The notebooks without a screen, as nbconvert and papermill run them; tests/browser/test_course.py has one."""

import asyncio
import os
import re
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
WITH_A_RUN = [path for path in NOTEBOOKS if "widget.run()" in path.read_text()]
BROWSER_TESTS = Path(__file__).parent / "browser" / "test_course.py"


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def executed(path: Path, scratch: Path) -> nbformat.NotebookNode:
    """The notebook after its cells have been run, in a kernel that knows nothing of the user's settings."""
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    )
    settings = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    environment = {**os.environ, **{name: str(scratch / name.lower()) for name in settings}}
    asyncio.run(client.async_execute(env=environment))
    return notebook


@pytest.mark.parametrize("path", WITH_A_RUN, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    """Every cell runs without an error and without a warning, and the widget that ran is saved with its curve.

    The notebooks without such a widget are run by the browser tests alone, which ask the same of their outputs.
    """
    notebook = executed(path, tmp_path)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    states = [state["state"] for state in widget_states(notebook)]
    lines = [state for state in states if state.get("_model_name") == "LinesModel"]
    assert max(drawn_points(line) for line in lines) >= 20


def test_every_notebook_is_run() -> None:
    """Each is run from top to bottom by a test in JupyterLab or by the one above."""
    in_jupyterlab = re.findall(r'Course\(lab, "(\d+)"\)', BROWSER_TESTS.read_text())
    assert {path.stem[:2] for path in NOTEBOOKS} == {path.stem[:2] for path in WITH_A_RUN} | set(in_jupyterlab)


def widget_states(notebook: nbformat.NotebookNode) -> list[dict]:
    """The widgets' models as they are saved with the notebook."""
    saved = notebook.metadata.get("widgets", {})
    return list(saved.get("application/vnd.jupyter.widget-state+json", {}).get("state", {}).values())


def drawn_points(line: dict) -> int:
    """How many points a bqplot line has."""
    return max((line["x"] or {}).get("shape", [0]))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_clean(path: Path) -> None:
    """A notebook comes without outputs and counters, begins with a title, and is valid."""
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code if cell.outputs] == []
    assert {cell.execution_count for cell in code} == {None}
    assert notebook.cells[0].source.startswith("# ")
    assert "widgets" not in notebook.metadata
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_the_quickstart_comes_first() -> None:
    """The first notebook of the course is the quickstart that `make lab` opens."""
    assert re.fullmatch(r"[\d-]*quickstart", NOTEBOOKS[0].stem)
