"""What a run sends from a real kernel to the front end, without a browser: few messages, and the last state whole."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

SETUP = """
import time
from lrwidget import LearningRateFinder, LRFinderWidget

def train_step(lr):
    time.sleep(step_seconds)
    return 2.0 - 1 / (1 + (1e-3 / lr) ** 2)

def make(seconds, num_steps):
    global step_seconds
    step_seconds = seconds
    return LRFinderWidget(train_step, finder=LearningRateFinder(num_steps=num_steps, divergence="never"))
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingKernelClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        manager, client = start_new_kernel(kernel_name="python3", startup_timeout=120)
    execute(client, SETUP)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def execute(client: BlockingKernelClient, code: str) -> list[dict[str, Any]]:
    """Run code to its end and return the messages that it caused; an exception in it is raised here."""
    return follow(client, client.execute(code, allow_stdin=False))


def follow(client: BlockingKernelClient, request: str) -> list[dict[str, Any]]:
    """Wait for the end of what was asked for and return the messages that it caused."""
    messages = []
    while True:
        message = client.get_iopub_msg(timeout=120)
        messages.append(message)
        if message["msg_type"] == "error":
            raise RuntimeError("\n".join(message["content"]["traceback"]))
        is_ours = message["parent_header"].get("msg_id") == request
        if is_ours and message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return messages


def updates(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that change a widget."""
    return [m for m in messages if m["msg_type"] == "comm_msg" and m["content"]["data"].get("method") == "update"]


def busiest_second(times: list[float]) -> int:
    """The largest number of times within any window of one second."""
    times = sorted(times)
    return max(sum(start <= t < start + 1 for t in times) for start in times)


@pytest.mark.parametrize(
    ("step_seconds", "num_steps"), [(0.0, 2000), (0.0003, 6000), (0.005, 500), (0.05, 50)], ids=lambda value: str(value)
)
def test_a_run_sends_at_most_15_updates_a_second(
    kernel: BlockingKernelClient, step_seconds: float, num_steps: int
) -> None:
    """However fast the steps are, no widget is updated more than 15 times in a second."""
    execute(kernel, f"widget = make({step_seconds}, {num_steps})\nwidget")
    messages = updates(execute(kernel, "widget.run()"))
    times = defaultdict(list)
    for message in messages:
        times[message["content"]["comm_id"]].append(message["header"]["date"].timestamp())
    assert max(map(busiest_second, times.values())) <= 15
    assert busiest_second(list(itertools.chain(*times.values()))) < 1000  # the server drops messages beyond


def test_the_last_points_are_painted(kernel: BlockingKernelClient) -> None:
    """After a run the curve holds its last point, whatever the rate limit has left out, and at most 500 points."""
    execute(kernel, "widget = make(0.0, 3000)\nwidget")
    last: dict[str, np.ndarray] = {}
    for message in updates(execute(kernel, "widget.run()")):
        data = message["content"]["data"]
        for path, buffer in zip(data["buffer_paths"], message["buffers"], strict=True):
            if path == ["x", "value"]:
                kind = data["state"]["x"]["dtype"]
                last[message["content"]["comm_id"]] = np.frombuffer(buffer, kind)
    curves = [rates for rates in last.values() if len(rates) > 100]
    assert len(curves) >= 2  # raw and smoothed
    assert [rates[-1] for rates in curves] == pytest.approx([10.0] * len(curves))
    assert max(len(np.unique(rates)) for rates in curves) <= 500


def test_an_idle_widget_is_silent(kernel: BlockingKernelClient) -> None:
    """Once the last frame and the slow rules' ticks behind it are out, nothing is sent any more."""
    execute(kernel, "widget = make(0.0, 200)\nwidget.run()")
    late = [len(updates(execute(kernel, "time.sleep(1.0)"))) for _ in range(3)]
    assert sum(late) <= 15  # one frame: as many widgets as it touches, each once
    messages = execute(kernel, "time.sleep(1.0)")
    assert Counter(message["msg_type"] for message in updates(messages)) == Counter()


def create_subshell(client: BlockingKernelClient) -> str:
    """Ask the kernel for another shell beside the one that runs cells, as JupyterLab does for widgets."""
    client.control_channel.send(client.session.msg("create_subshell_request", {}))
    reply: dict[str, Any] = client.get_control_msg(timeout=60)
    return str(reply["content"]["subshell_id"])


def click(client: BlockingKernelClient, comm_id: str, subshell_id: str) -> None:
    """Send what JupyterLab sends when a button is clicked."""
    data = {"method": "custom", "content": {"event": "click"}}
    message = client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    message["header"]["subshell_id"] = subshell_id
    client.shell_channel.send(message)


def test_stop_is_heard_while_another_cell_computes(kernel: BlockingKernelClient) -> None:
    """After a click on Run, one on Stop ends the run although the shell of the cells is busy for longer."""
    subshell_id = create_subshell(kernel)
    made = execute(kernel, "widget = make(0.02, 2000)\nwidget")
    opened = [m["content"] for m in made if m["msg_type"] == "comm_open"]
    buttons = {o["data"]["state"].get("description"): o["comm_id"] for o in opened}
    click(kernel, buttons["Run"], subshell_id)
    execute(kernel, "while widget.state != 'running': time.sleep(0.01)")
    busy = "for _ in range(400):\n  time.sleep(0.1 * (widget.state == 'running'))\nprint(widget.state)"
    request = kernel.execute(busy)
    while kernel.get_iopub_msg(timeout=60)["msg_type"] != "execute_input":
        pass
    click(kernel, buttons["Stop"], subshell_id)
    printed = follow(kernel, request)
    assert [m["content"]["text"] for m in printed if m["msg_type"] == "stream"] == ["stopped\n"]
