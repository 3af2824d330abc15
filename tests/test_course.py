"""The course as a student meets it: faults that the verdicts name, exercises whose solutions pass, checks that help."""

import contextlib
import io
import itertools
import re
import symtable
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
GALLERY = "04-reading-the-curve"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# Swig types of a tokenizer library that transformers loads.
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .*:DeprecationWarning")


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def cells(name: str, tag: str | None = None) -> list[nbformat.NotebookNode]:
    """The code cells of a notebook, or all cells with this tag."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    return [c for c in notebook.cells if (tag in tags(c) if tag else c.cell_type == "code")]


def solutions(name: str) -> dict[str, str]:
    """The source of each exercise's solution, by the id of the exercise's cell."""
    codes = [re.search(r"```python\n(.*?)```", c.source, re.DOTALL).group(1) for c in cells(name, "solution")]
    return dict(zip([cell.id for cell in cells(name, "exercise")], codes, strict=True))


def check_of(name: str, exercise: str) -> str:
    """The cell that checks an exercise: the next one."""
    ids = [cell.id for cell in cells(name)]
    return ids[ids.index(exercise) + 1]


def study(name: str, answers: dict[str, str], targets: set[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Run some cells of a notebook, and those before them that they need, with these answers in its exercise cells.

    Returns the variables in the end, and what each cell has printed.
    """
    sources = {cell.id: answers.get(cell.id, cell.source) for cell in cells(name)}
    variables: dict[str, Any] = {"__name__": "__main__", "display": lambda *_: None}
    printed = {}
    for cell_id in needed(sources, targets):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(sources[cell_id], f"{name}/{cell_id}", "exec"), variables)
        printed[cell_id] = output.getvalue()
    return variables, printed


def needed(sources: dict[str, str], targets: set[str]) -> list[str]:
    """The cells to run for the targets: going backwards, each that defines a name which a later one uses."""
    chosen: list[str] = []
    wanted: set[str] = set()
    for cell_id, source in reversed(sources.items()):
        if source.startswith(("%", "!")):
            continue  # a command for IPython: no exercise builds on one
        table = symtable.symtable(source, cell_id, "exec")
        defined = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
        if cell_id in targets or defined & wanted:
            chosen.append(cell_id)
            wanted = (wanted | used(table)) - defined
    return chosen[::-1]


def used(table: symtable.SymbolTable) -> set[str]:
    """The global names that a cell, or a function in it, refers to."""
    is_module = table.get_type() == "module"
    names = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (is_module or s.is_global())}
    return names.union(*map(used, table.get_children()))


@pytest.fixture(scope="module")
def gallery() -> dict[str, Any]:
    """The variables of the gallery as it is handed out."""
    return study(GALLERY, {}, {cell.id for cell in cells(GALLERY)})[0]


@pytest.mark.parametrize(
    ("name", "kind", "cause"),
    [
        pytest.param("flat", "flat", "does it hold this model's parameters", id="optimizer of another model"),
        pytest.param(
            "flat_noise", "noise", "the optimizer holds this model's parameters", id="the same, fresh batches"
        ),
        pytest.param("explosion", "explodes_from_start", "normalisation of the inputs", id="raw measurements"),
        pytest.param("falling", "range_too_small", "Raise max_lr", id="range ends too early"),
        pytest.param("noisy", "ok", "larger batches", id="batches of two"),
        pytest.param("rising", "no_decrease", "Check the sign", id="uphill"),
        pytest.param("missing", "nonfinite", "Check the data for NaN", id="missing pixels"),
    ],
)
def test_the_verdict_names_the_planted_fault(gallery: dict[str, Any], name: str, kind: str, cause: str) -> None:
    """Of each faulty model the verdict has the right kind, and its words name the cause."""
    diagnosis = gallery[name].diagnosis
    assert diagnosis.kind == kind
    assert cause in f"{diagnosis.message} {diagnosis.advice}"


def test_the_first_curve_of_the_gallery_is_good(gallery: dict[str, Any]) -> None:
    """The curve without a fault gets a suggestion and no advice."""
    assert gallery["good"].diagnosis.kind == "ok"
    assert gallery["good"].diagnosis.advice == ""
    assert gallery["good"].suggested_lr is not None


def test_the_running_mean_comes_late() -> None:
    """03 shows what the README says: a running mean shifts the curve by a factor of three and more."""
    variables, _ = study("03-the-range-test-step-by-step", {}, {"smoothing"})
    assert variables["there"] > 3 * variables["here"]


def test_a_section_needs_its_own_framework_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """08 says so: what `make lab` does not install is needed by its own section, and by no other."""
    for name in ("keras", "lrwidget.steps.keras", "transformers", "lightning"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    _, printed = study("08-other-frameworks", {}, {"setup", "sklearn", "exercise-check"})
    assert "Suggested LR: " in printed["sklearn"]


def test_repaired_models_have_good_curves() -> None:
    """With the fault repaired as its solution says, every model of the gallery gets a good curve."""
    variables, _ = study(GALLERY, solutions(GALLERY), {cell.id for cell in cells(GALLERY)})
    for name in ("flat", "explosion", "falling", "noisy", "rising", "missing"):
        assert variables[name].diagnosis.kind == "ok", name
        assert variables[name].diagnosis.advice == "", name


WITH_EXERCISES = [path.stem for path in NOTEBOOKS if cells(path.stem, "exercise")]


@pytest.mark.parametrize("name", WITH_EXERCISES)
def test_exercises_are_open_as_they_are_handed_out(name: str) -> None:
    """Before a student has done anything, every check says what there is to do, and none that it is right."""
    checks = {cell.id for cell in cells(name, "check")}
    _, printed = study(name, {}, checks)
    for check in checks:
        assert re.match(r"Still|Put|Replace|Make", printed[check]), check


@pytest.mark.parametrize("name", WITH_EXERCISES)
def test_solutions_pass_their_checks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every solution put in, every check says that it is right."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    checks = {cell.id for cell in cells(name, "check")}
    assert len(checks) == len(solutions(name)) > 0
    _, printed = study(name, solutions(name), checks)
    for check in checks:
        assert re.search(r"^(Right|Repaired)", printed[check], re.MULTILINE), check


WRONG = [
    ("02-what-a-learning-rate-is", "first-exercise-answer", "one_step_lr = 0.1\nlargest_lr = 2 / 25", "has to be 0"),
    ("02-what-a-learning-rate-is", "first-exercise-answer", "one_step_lr = 0.04\nlargest_lr = 0.5", "too large"),
    ("02-what-a-learning-rate-is", "first-exercise-answer", "one_step_lr = 0.04\nlargest_lr = 0.01", "too small"),
    ("02-what-a-learning-rate-is", "second-exercise-answer", "ravine_lr = 0.3", "shorter strides"),
    ("02-what-a-learning-rate-is", "second-exercise-answer", "ravine_lr = 0.01", "longer strides"),
    (
        "03-the-range-test-step-by-step",
        "first-exercise-answer",
        "def step_of(lr, low, high, n):\n    return n * np.log(lr / low) / np.log(high / low)",
        "belongs to step 20",
    ),
    (
        "03-the-range-test-step-by-step",
        "second-exercise-answer",
        "x = np.linspace(-1, 1, 50)\ny = 3 * x\nslope = np.zeros(1)\n\n\ndef line_step(lr):\n"
        "    slope[0] -= lr * np.mean(2 * (slope[0] * x - y) * x)\n    return np.mean((slope[0] * x - y) ** 2)",
        "the one before the step",
    ),
    (
        GALLERY,
        "explosion",
        "measurements, progression = load_diabetes(return_X_y=True, scaled=False)\n"
        "inputs = torch.tensor(measurements, dtype=torch.float32)\n"
        "targets = torch.tensor(progression, dtype=torch.float32).unsqueeze(1)\n"
        "model = nn.Linear(10, 1)\noptimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "explosion = read(TorchStep(model, optimizer, nn.MSELoss(), loader(inputs, targets)), min_lr=1e-9)",
        "keep min_lr=1e-4",
    ),
    ("09-large-runs", "exercise-answer", "my_number = 12 * P / 6e9", "GPUs are whole"),
]


@pytest.mark.parametrize(("name", "cell_id", "answer", "help_words"), WRONG, ids=[f"{w[0][:2]} {w[3]}" for w in WRONG])
def test_wrong_answers_are_told_what_is_wrong(name: str, cell_id: str, answer: str, help_words: str) -> None:
    """A plausible mistake fails its check with a message that helps, not with a bare AssertionError."""
    with pytest.raises(AssertionError, match=help_words):
        study(name, {cell_id: answer}, {check_of(name, cell_id)})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_exercises_have_a_check_and_a_folded_solution(path: Path) -> None:
    """Every exercise is followed by its check and by a solution that has to be opened to be seen."""
    notebook = nbformat.read(path, as_version=4)
    for i, cell in enumerate(notebook.cells):
        if "exercise" in tags(cell):
            check, solution = notebook.cells[i + 1 : i + 3]
            assert "check" in tags(check)
            assert "assert " in check.source
            assert "solution" in tags(solution)
            assert solution.source.startswith("<details>")
            assert solution.source.endswith("</details>")


def test_the_overview_lists_every_notebook_and_its_exercises() -> None:
    """The course's README has a row for each notebook, in order, with the number of its exercises."""
    rows = re.findall(
        r"^\| \[\d\]\((.*?)\) \|.*\| (\d*) ?\|$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert rows == [(path.name, str(len(cells(path.stem, "exercise")) or "")) for path in NOTEBOOKS]


@pytest.mark.parametrize(("path", "following"), list(itertools.pairwise(NOTEBOOKS)), ids=lambda path: path.stem)
def test_each_notebook_leads_to_the_next(path: Path, following: Path) -> None:
    """The last line of a notebook is a link to the one after it, by its title."""
    notebook, title = nbformat.read(path, as_version=4), nbformat.read(following, as_version=4).cells[0].source
    assert notebook.cells[-1].source.splitlines()[-1] == f"Next: [{title.splitlines()[0][2:]}]({following.name})"
