"""Advisory locks: one writer, any number who ask; and systems that have none."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import pytest

from lrwidget import LearningRateFinder, RangeTestResult, lock

FINDER = LearningRateFinder(num_steps=5, divergence="never")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    with (tmp_path / "run.jsonl").open("ab") as opened:
        yield opened


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no locks, as flock(2) tells of it: also when one is to be let go of."""

    def flock(file: BinaryIO, operation: int) -> None:
        raise OSError(errno.ENOLCK, "<injected>")

    monkeypatch.setattr(fcntl, "flock", flock)


def test_one_writer_holds_it_until_it_lets_go(file: BinaryIO) -> None:
    """A second writer is kept out, whoever asks is told; afterwards the lock is free."""
    with Path(file.name).open("ab") as other:
        assert lock.is_held(other) is False
        assert lock.take(file)
        assert lock.is_held(other) is True
        with pytest.raises(BlockingIOError):
            lock.take(other)
        lock.release(file)
        assert lock.is_held(other) is False
        assert lock.take(other)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_nobody_knows(file: BinaryIO) -> None:
    """Where the file system has no locks, none is taken, none is missed, and it is not known who writes."""
    assert lock.take(file) is False
    assert lock.is_held(file) is None
    lock.release(file)


@pytest.mark.usefixtures("no_locks")
def test_a_log_without_locks_is_whole(tmp_path: Path) -> None:
    """A range test that logs onto such a file system runs to its end, and its log says that it held no lock."""
    path = tmp_path / "run.jsonl"
    result = FINDER.range_test(lambda lr: 2 * lr, log=path)
    assert RangeTestResult.load(path) == result
    assert json.loads(path.read_text().splitlines()[0])["locked"] is False


@pytest.fixture
def lock_on_windows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module as it is made there; fcntl does not exist."""
    assert lock.__file__ is not None
    spec = importlib.util.spec_from_file_location("lock_on_windows", lock.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec.loader.exec_module(module)
    return module


def test_windows_has_none_of_these(lock_on_windows: ModuleType, file: BinaryIO) -> None:
    """Its locks keep readers out too, so there are none: as on a file system without."""
    assert lock_on_windows.take(file) is False
    assert lock_on_windows.is_held(file) is None
    lock_on_windows.release(file)
