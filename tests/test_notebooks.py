"""Every notebook, run from top to bottom without a screen, as nbconvert and papermill do."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.fixture
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that know nothing of the user's IPython and Jupyter settings."""
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path) -> None:
    """Every cell runs without an error and without a warning, and a widget that ran has drawn its curve."""
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    )
    client.execute()
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
