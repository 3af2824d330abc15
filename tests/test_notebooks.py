"""Every notebook, run from top to bottom without a screen, as nbconvert and papermill do."""

import asyncio
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def executed(path: Path, scratch: Path) -> nbformat.NotebookNode:
    """The notebook after its cells have been run, in a kernel that knows nothing of the user's settings."""
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    )
    settings = ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")
    environment = {**os.environ, **{name: str(scratch / path.stem / name.lower()) for name in settings}}
    asyncio.run(client.async_execute(env=environment))
    return notebook


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[nbformat.NotebookNode]]]:
    """The runs of the notebooks that are asked for, two at a time: on two cores that takes half the time."""
    items = [item for item in request.session.items if getattr(item, "originalname", "") == "test_notebook_runs"]
    scratch = tmp_path_factory.mktemp("settings")
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {
            item.callspec.params["path"]: pool.submit(executed, item.callspec.params["path"], scratch) for item in items
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, runs: dict[Path, Future[nbformat.NotebookNode]]) -> None:
    """Every cell runs without an error and without a warning, and a widget that ran has drawn its curve."""
    notebook = runs[path].result()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    states = [state["state"] for state in widget_states(notebook)]
    lines = [state for state in states if state.get("_model_name") == "LinesModel"]
    if "LRFinderWidget" in path.read_text():
        assert max(drawn_points(line) for line in lines) >= 20


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
