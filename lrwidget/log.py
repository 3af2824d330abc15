"""Range tests on disk: one JSON object per line, so that a file is readable while it is written and after a crash.

The first line is the header (format version, settings, library versions), then one line per record, then one line
with the stop reason. JSON has no words for NaN and infinity: they are the strings "nan", "inf" and "-inf".

Each line is handed to the operating system before the next step begins. A killed process loses no finished record;
a machine that loses its power may, for the lines are not forced to the disk. While a run lasts its writer holds a
lock on the file (where there are such locks), so two runs cannot mix and a reader knows a dead writer from a slow one.
"""

from __future__ import annotations

import json
import math
import platform
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike, getpid
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO
from uuid import uuid4

from lrwidget import lock
from lrwidget.recording import Recording
from lrwidget.result import RangeTestResult, StepRecord, StopReason

FORMAT = 1
CUT_SHORT = "the log ends before the run did"

_LIBRARIES = ("lrwidget", "numpy", "torch", "keras", "jax")
_NOT_FINITE = ("nan", "inf", "-inf")


class LogWriter:
    """Appends the records of a run to a file, each flushed before the next step begins.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    recording
        The run; its stop reason is written on leaving.

    Raises
    ------
    TypeError
        If this is no path.
    RuntimeError
        On entering, if another run is writing to this file.
    OSError
        On entering, if it is a folder, or the file cannot be written.
    """

    def __init__(self, path: str | PathLike[str], recording: Recording) -> None:
        if not isinstance(path, str | PathLike):
            raise TypeError(f'need a path as log, got log={path!r}; pass the name of a file, e.g. "run.jsonl"')
        self._path = Path(path)
        self._recording = recording

    def __enter__(self) -> LogWriter:
        if self._path.is_dir():
            name = str(self._path / "run.jsonl")
            raise IsADirectoryError(
                f"need a file as log, got the folder {str(self._path)!r}; pass one in it, e.g. {name!r}"
            )
        self._file: BinaryIO = self._path.open("a+b")  # not "w", which would empty the file of a run under way
        try:
            locked = lock.take(self._file)
            self._file.truncate(0)
            self._write(_encode(_header(self._recording.settings) | _writer(locked)))
        except BlockingIOError as error:
            self._file.close()
            raise RuntimeError(
                f"need a log of its own for each run, got {self._path}, which another run is writing; "
                "end that run, or give this one another name"
            ) from error
        except BaseException:
            self._file.close()
            raise
        return self

    def write(self, record: StepRecord) -> None:
        """Append one record."""
        self._write(_record_line(record))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._file:
            if error is not None:
                self._recording.note_failure(error)
            for record in self._recording.records[self._num_written(self._file) :]:
                self.write(record)  # read late, after the step that failed: the loop did not hand them out
            self._write(_encode(_footer(self._recording.result())))
            lock.release(self._file)

    @staticmethod
    def _num_written(file: BinaryIO) -> int:
        """How many records the file holds. It is asked itself: Ctrl-C may come between a line and any count of it."""
        file.flush()
        file.seek(0)
        return file.read().count(b"\n") - 1

    def _write(self, line: bytes) -> None:
        self._file.write(line)
        self._file.flush()


class LogParser:
    """Reads a log line by line, as the lines come.

    Parameters
    ----------
    path
        Named in the errors; not opened.
    num_lines
        How many lines of the file stand before this log.
    """

    def __init__(self, path: str | PathLike[str], num_lines: int = 0) -> None:
        self._path = path
        self.num_lines = num_lines
        self.header: Mapping[str, Any] = {}  # empty until it has come
        self.recording = Recording(settings={})

    def feed(self, line: bytes) -> StepRecord | None:
        """Take the next line, without its newline; return its record if it has one.

        Raises
        ------
        ValueError
            If it is not what must come next in a log; the message names the line.
        """
        self.num_lines += 1
        try:
            content = json.loads(line.decode(), parse_constant=_refuse_constant)
            if not isinstance(content, dict):
                raise ValueError("need a JSON object")
            if not self.header:
                self._open(content)
                return None
            return _read_line(self.recording, content)
        except (KeyError, TypeError, ValueError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else error
            raise ValueError(
                f"{self._path}, line {self.num_lines}: need {'a line' if self.header else 'the header'} "
                f"of a range test's log, got {line!r:.120} ({why})"
            ) from error

    def end(self) -> RangeTestResult:
        """What has been read. A log without its last line counts as interrupted.

        Raises
        ------
        ValueError
            If there was not even a header.
        """
        if not self.header:
            raise ValueError(
                f"{self._path}: need the log of a range test, got a file without a header; "
                "pass one that save() or log=... has written"
            )
        if self.recording.stop_reason is None:
            self.recording.stop_reason, self.recording.error = StopReason.INTERRUPTED, CUT_SHORT
        return self.recording.result()

    def _open(self, header: dict[str, Any]) -> None:
        if header["format"] != FORMAT:
            raise ValueError(
                f"need format {FORMAT}, got {header['format']}: another version of lrwidget wrote it; "
                "read it with that version"
            )
        self.recording.settings = dict(header["settings"])
        self.header = header


def write_results(results: Sequence[RangeTestResult], path: str | PathLike[str]) -> None:
    """Write finished results as logs, one behind the other; an existing file is replaced as a whole or not at all."""
    path = Path(path)
    draft = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
    try:
        draft.write_bytes(b"".join(line for result in results for line in _lines(result)))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_result(path: str | PathLike[str]) -> RangeTestResult:
    """Read a log, finished or torn.

    A log without its last line counts as interrupted; a half-written last line is dropped with a warning.

    Raises
    ------
    ValueError
        If anything else is malformed; the message names the line.
    """
    parser = LogParser(path)
    *lines, rest = Path(path).read_bytes().split(b"\n")
    for line in lines:
        parser.feed(line)
    is_torn = bool(rest) and not feed_rest(parser, rest)
    result = parser.end()  # first: what is no log has no last line either
    if is_torn:
        warnings.warn(f"{path}: dropped the half-written last line {len(lines) + 1}", stacklevel=3)
    return result


def read_results(path: str | PathLike[str]) -> list[RangeTestResult]:
    """Read one log or several, one behind the other, that `write_results` has written.

    Raises
    ------
    ValueError
        If anything is malformed or missing; the message names the line.
    """
    parser = LogParser(path)
    results: list[RangeTestResult] = []
    for line in Path(path).read_bytes().splitlines():
        if parser.recording.stop_reason is not None:
            results.append(parser.end())
            parser = LogParser(path, parser.num_lines)
        parser.feed(line)
    return [*results, parser.end()]


def feed_rest(parser: LogParser, rest: bytes) -> bool:
    """Take what follows the last newline of a log that has ended; False if it is half a line."""
    try:
        json.loads(rest)
    except ValueError:
        return False
    parser.feed(rest)  # only its newline is missing
    return True


def is_written(file: BinaryIO, header: Mapping[str, Any]) -> bool | None:
    """Whether the run that wrote this header is still writing to the open file; None where that cannot be known."""
    if not header.get("locked") or header.get("host") != socket.gethostname():
        return None  # on many file systems a lock means nothing to another machine
    return lock.is_held(file)


def _read_line(recording: Recording, content: dict[str, Any]) -> StepRecord | None:
    if recording.stop_reason is not None:
        raise ValueError("nothing may follow the stop reason")
    if "stop_reason" in content:
        recording.error, recording.seconds = content["error"], float(content["seconds"])
        recording.stop_reason = StopReason(content["stop_reason"])
        return None
    if content["step"] != len(recording.records):
        raise ValueError(f"need step {len(recording.records)}, got step {content['step']}")
    norm = content.get("grad_norm")
    numbers = _read_number(content["lr"]), _read_number(content["loss"])
    return recording.append(content["step"], *numbers, None if norm is None else _read_number(norm))


def _lines(result: RangeTestResult) -> list[bytes]:
    norms = [None] * len(result) if result.grad_norms is None else result.grad_norms.tolist()
    rows = zip(result.lrs.tolist(), result.losses.tolist(), norms, strict=True)
    records = (_record_line(StepRecord(step, *row)) for step, row in enumerate(rows))
    return [_encode(_header(result.settings)), *records, _encode(_footer(result))]


def _header(settings: Mapping[str, Any]) -> dict[str, Any]:
    versions = {
        name: str(sys.modules[name].__version__) for name in _LIBRARIES if hasattr(sys.modules.get(name), "__version__")
    }
    return {"format": FORMAT, "settings": dict(settings), "versions": {"python": platform.python_version()} | versions}


def _writer(locked: bool) -> dict[str, Any]:
    """Who writes, for those who watch; it also makes each header unlike any other."""
    started = datetime.now(UTC).isoformat()
    return {"started": started, "host": socket.gethostname(), "pid": getpid(), "locked": locked}


def _record_line(record: StepRecord) -> bytes:
    """The line of a record, put together by hand: it is made at every step, and json takes five times as long."""
    line = f'{{"step": {record.step}, "lr": {_number(record.lr)}, "loss": {_number(record.loss)}'
    if record.grad_norm is not None:
        line += f', "grad_norm": {_number(record.grad_norm)}'
    return f"{line}}}\n".encode("ascii")


def _footer(result: RangeTestResult) -> dict[str, Any]:
    return {"stop_reason": str(result.stop_reason), "error": result.error, "seconds": result.seconds}


def _encode(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode("ascii") + b"\n"


def _number(value: float) -> str:
    return float.__repr__(value) if math.isfinite(value) else f'"{value}"'


def _read_number(value: object) -> float:
    if isinstance(value, bool) or not (isinstance(value, int | float) or value in _NOT_FINITE):
        raise TypeError(f"need a number, got {value!r}")
    return float(value)


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON")
