"""What all tests share: fixed seeds, no screen, and an order in which the quick ones come first."""

import os
import random
import signal
from typing import Any

import comm
import numpy as np
import pytest
from comm.base_comm import BaseComm

os.environ["MPLBACKEND"] = "Agg"
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background is deaf to Ctrl-C
os.environ.setdefault("KERAS_BACKEND", "torch")  # its own default needs TensorFlow

_LAST = (
    "tests/test_notebooks.py",
    "tests/test_kernel_messages.py",
    "tests/browser/test_course.py",  # the longest of all
    "tests/browser/test_schedule_tab.py",
    "tests/browser/test_widget.py",
    "tests/browser/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Kernels after plain Python, browsers last: what breaks easily and is cheap to see is seen first.

    Of the browsers the longest files come first, lest in the end one worker have a long one while the others have none.
    """
    items.sort(key=lambda item: next((i for i, path in enumerate(_LAST, 1) if item.nodeid.startswith(path)), 0))


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Every test draws the same numbers, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the tests check that the legacy generator is restored


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All messages that widgets send to the browser, from now on."""
    sent: list[dict[str, Any]] = []

    class Recorder(BaseComm):
        def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
            sent.append({"type": msg_type, "comm": self.comm_id, **(data or {})})

    monkeypatch.setattr(comm, "create_comm", lambda *args, **kwargs: Recorder(*args, **kwargs))
    return sent
