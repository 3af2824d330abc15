"""Advisory locks on open files, where the system has them: they end with the process that holds them, however it ends.

A forked child shares its parent's lock; so a lock is released by `release`, not by closing the file.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import BinaryIO

_NUM_RETRIES, _PAUSE_SECONDS = 10, 0.02  # `is_held` holds the lock for an instant

if sys.platform == "win32":

    def _take(file: BinaryIO, *, shared: bool) -> bool:
        return False  # locks there keep readers out too

    def release(file: BinaryIO) -> None:
        """Let go of the lock, if one is held."""

else:
    import fcntl

    def _take(file: BinaryIO, *, shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return False  # a file system without locks
        return True

    def release(file: BinaryIO) -> None:
        """Let go of the lock, if one is held."""
        with suppress(OSError):  # a file system without locks: there is none to let go of
            fcntl.flock(file, fcntl.LOCK_UN)


def take(file: BinaryIO) -> bool:
    """Lock the open file for one writer; False where there are no such locks.

    Raises
    ------
    BlockingIOError
        If another writer holds it.
    """
    for _ in range(_NUM_RETRIES):
        try:
            return _take(file, shared=False)
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
    return _take(file, shared=False)


def is_held(file: BinaryIO) -> bool | None:
    """Whether a writer holds the lock of the open file; None where that cannot be known."""
    try:
        taken = _take(file, shared=True)
    except BlockingIOError:
        return True
    if not taken:
        return None
    release(file)
    return False
