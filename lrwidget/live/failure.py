"""An exception as text: what happened, and where in the user's own code."""

from __future__ import annotations

import linecache
import sysconfig
import traceback
from dataclasses import dataclass
from os import sep
from pathlib import Path
from types import FrameType, TracebackType

_PACKAGE = str(Path(__file__).parent.parent) + sep
_STDLIB = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
# An environment's own, those of the Python that it is made with, the user's (pip install --user), Debian's.
_LIBRARIES = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Failure:
    """What is shown of an exception. Only text: it keeps no frame, no model and no batch alive.

    Parameters
    ----------
    kind
        The exception's type, by name.
    message
        Its text, notes included.
    where
        File and line of the failing line of the user's code, or "".
    line
        That line, or "".
    details
        The whole traceback.
    """

    kind: str
    message: str
    where: str
    line: str
    details: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception."""
        where, line = "", ""
        frames = [(frame, number) for frame, number in traceback.walk_tb(error.__traceback__) if _is_foreign(frame)]
        # The user's deepest line: what it calls inside a library is in the details.
        own = [entry for entry in frames if not _is_library(entry[0])] or frames
        if own:
            frame, number = own[-1]
            name = frame.f_code.co_filename
            line = linecache.getline(name, number, frame.f_globals).strip()
            place = "the notebook" if "ipykernel_" in name or name.startswith("<ipython") else Path(name).name
            where = f"{place}, line {number}, in {frame.f_code.co_name}"
        return cls(
            kind=type(error).__name__,
            message="\n".join([_message(error), *getattr(error, "__notes__", [])]).strip(),
            where=where,
            line=line,
            details="".join(traceback.format_exception(error)),
        )


def release_frames(error: BaseException) -> None:
    """Clear the local variables that the exception's traceback, and those it came from, keep alive."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        trace: TracebackType | None = current.__traceback__
        traceback.clear_frames(trace)
        pending += [current.__cause__, current.__context__]


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # an exception class of the user's whose own text fails
        return f"(no text: its __str__ raised {type(broken).__name__})"


def _is_foreign(frame: FrameType) -> bool:
    """Whether the frame is not of this package."""
    return not frame.f_code.co_filename.startswith(_PACKAGE)


def _is_library(frame: FrameType) -> bool:
    """Whether the frame is of an installed package, or of Python itself."""
    name = frame.f_code.co_filename
    return name.startswith(_STDLIB) or not _LIBRARIES.isdisjoint(Path(name).parts)
