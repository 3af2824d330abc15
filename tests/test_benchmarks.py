"""The benchmarks measure what they say: contenders do the same work, and the numbers are put together rightly."""

from __future__ import annotations

import time

import pytest
import torch

from tests.benchmarks import __main__ as command
from tests.benchmarks import engine_state
from tests.benchmarks.engine_tasks import bare_steps, make_task, our_steps, small_cnn
from tests.benchmarks.measuring import Times, ratios, rounds, rounds_of_steps, spread, table


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_the_bare_loop_and_ours_train_alike(optimizer):
    """On the same task both take the same steps to the same losses, to the last bit."""
    losses = [*bare_steps(make_task("tiny MLP", optimizer, 30))]
    assert [record.loss for record in our_steps(make_task("tiny MLP", optimizer, 30))] == losses


def test_ours_restores_what_bare_does_not():
    """The parameters after our run are those before it; after the bare loop they are others."""
    for contender, is_restored in ((our_steps, True), (bare_steps, False)):
        task = make_task("small CNN", "SGD", 3)
        before = torch.cat([p.detach().flatten().clone() for p in task.model.parameters()])
        assert len([*contender(task)]) == 3
        after = torch.cat([p.detach().flatten() for p in task.model.parameters()])
        assert torch.equal(before, after) == is_restored
    assert small_cnn()[1] == (32, 3, 24, 24)


def test_every_way_to_save_restores():
    """Each contender of the memory benchmark leaves the parameters as they are."""
    model, optimizer = engine_state.training(8)
    before = [p.detach().clone() for p in model.parameters()]
    for name in ("ours", "checkpoint on disk"):
        engine_state.CONTENDERS[name](model, optimizer)
        assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_rounds_time_each_contender_once_a_round():
    """The first round does not count, and every call is made ready anew."""
    calls = []
    times = rounds({name: lambda name=name: calls.append(name) or (lambda: None) for name in "ab"}, 3)
    assert sorted(calls) == ["a"] * 4 + ["b"] * 4
    assert [len(times[name]) for name in "ab"] == [3, 3]


def test_rounds_of_steps_time_each_contender_whole():
    """Contenders take turns, a step each; steps, beginning and end are added up, and the first round does not count."""
    order = []

    def steps(name, seconds):
        time.sleep(seconds)
        for _ in range(3):
            order.append(name)
            yield
        time.sleep(seconds)

    times = rounds_of_steps({"a": lambda: steps("a", 0.05), "b": lambda: steps("b", 0.0)}, 2)
    assert [len(times[name]) for name in "ab"] == [2, 2]
    assert all(set(order[i : i + 2]) == {"a", "b"} for i in range(0, 18, 2))
    assert all(a.wall >= 0.1 and a.cpu < 0.1 for a in times["a"])


def test_ratios_and_their_spread():
    """Ratios are taken within a round; the spread is the median with the quartiles."""
    times = {"x": [Times(2, 3), Times(6, 8)], "y": [Times(1, 1), Times(2, 2)]}
    assert ratios(times, "x", "y") == [2, 3]
    assert ratios(times, "x", "y", "wall") == [3, 4]
    assert spread([1, 2, 3, 4, 5]) == "3.000 [2.000-4.000]"
    assert spread([1.5]) == "1.500"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_command_runs_and_saves_what_is_named(monkeypatch, tmp_path, capsys):
    """What a benchmark prints is saved under its name; an unknown name is refused with those there are."""
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    monkeypatch.setattr("tests.benchmarks.engine_suggest.SIZES", (100,))
    monkeypatch.setattr("tests.benchmarks.engine_suggest.CONTENDERS", {"constant": lambda lrs, losses: None})
    monkeypatch.setattr("sys.argv", ["benchmarks", "engine_suggest"])
    command.main()
    assert "| constant | 0.0" in (tmp_path / "engine_suggest.md").read_text(encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["benchmarks", "nothing"])
    with pytest.raises(SystemExit):
        command.main()
    assert "need names among engine, engine_live" in capsys.readouterr().err
