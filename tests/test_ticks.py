"""Ticks with labels of our own: what the browser is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import comm
import pytest
from bqplot import Axis, LinearScale
from comm.base_comm import BaseComm

from lrwidget.ui.ticks import set_ticks

# Sets of strings come in another order in each process.
PROGRAM = """
import comm
from comm.base_comm import BaseComm

class Recorder(BaseComm):
    def publish_msg(self, msg_type, data=None, **rest):
        if msg_type == "comm_msg":
            print(list(data["state"]))

comm.create_comm = lambda *args, **kwargs: Recorder(*args, **kwargs)
from bqplot import Axis, LinearScale
from lrwidget.ui.ticks import set_ticks
set_ticks(Axis(scale=LinearScale()), [1.0, 2.0], ["1.0", "2.0"])
"""


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The states in the messages to the browser."""
    states: list[dict[str, Any]] = []

    class Recorder(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, **rest: Any) -> None:
            if msg_type == "comm_msg":
                states.append(data["state"])

    monkeypatch.setattr(comm, "create_comm", lambda *args, **kwargs: Recorder(*args, **kwargs))
    return states


@pytest.mark.parametrize("seed", ["0", "1"])
def test_labels_come_before_ticks(seed: str) -> None:
    """One message, in it the labels before the ticks: the other way round bqplot may keep the labels of before."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, check=True
    ).stdout
    assert printed.decode().splitlines() == ["['tick_labels', 'tick_values']"]


def test_labels_are_looked_up_as_javascript_writes_numbers(sent: list[dict[str, Any]]) -> None:
    """``String(tick)`` of JavaScript is what leads to a label; expected are its results for these numbers."""
    axis = Axis(scale=LinearScale())
    set_ticks(axis, [0.1, 2.0, 1e-7, 1.2e-7, 1e21, 0.30000000000000004], list("abcdef"))
    [state] = sent
    assert state["tick_labels"] == {
        "0.1": "a",
        "2": "b",
        "1e-7": "c",
        "1.2e-7": "d",
        "1e+21": "e",
        "0.30000000000000004": "f",
    }
    set_ticks(axis, [], [])
    assert sent[1]["tick_labels"] == {}
