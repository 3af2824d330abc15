"""The pieces of a saved training state, and the promise that one that cannot be put back does not keep the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Path: TypeAlias = tuple[Any, ...]
"""How the walk came to a piece: the name of a root, then attribute names, keys and indices."""


class Part:
    """One piece of state: where it was found, and how to put it back.

    Parameters
    ----------
    path
        Where it was found.
    restore
        Puts it back as it was when the part was made; None where nothing does, or a subclass by its own `restore`.
    """

    __slots__ = ("_restore", "path")

    def __init__(self, path: Path, restore: Callable[[], object] | None = None) -> None:
        self.path = path
        self._restore = restore

    def restore(self) -> None:
        """Put the piece back."""
        if self._restore is not None:
            self._restore()

    @property
    def name(self) -> str:
        """The path in words, such as ``model.0.weight``."""
        words = (str(key) if isinstance(key, str | int) else type(key).__name__ for key in self.path)
        return ".".join(word for word in words if word not in ("_modules", "_parameters", "_buffers"))


class RestoreError(RuntimeError):
    """Some part of the training state could not be put back; the message names it. All the rest was."""


def restore_parts(parts: Iterable[Part]) -> None:
    """Restore each part, whatever becomes of the others.

    Raises
    ------
    RestoreError
        If some of them could not be restored.
    """
    failed: list[tuple[str, Exception]] = []
    for part in parts:
        try:
            part.restore()
        except Exception as error:  # the others must still be restored
            failed.append((part.name, error))
    if failed:
        details = "; ".join(f"{name} ({type(error).__name__}: {error})" for name, error in failed)
        raise RestoreError(
            f"could not restore {details}; all else is as it was: load what is named from a checkpoint "
            "before training on"
        ) from failed[0][1]
