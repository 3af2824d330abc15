"""Several processes that train one model together (DDP, FSDP2), kept in step: one loss, one decision, one end.

At three points of each step the ranks tell each other in a few bytes how they stand: before the forward pass (is there
a batch, and which rate?), after it (did it fail?) and after the update (which loss?). What a rank does next follows
from what all have said, so all do the same. A rank that fails anywhere says so as its last word while it leaves; the
others hear it at their next point, or, if they wait inside a collective of the training for it, once that one's timeout
is over.

The talk has a process group of its own, so it is never mixed up with the training's collectives.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from enum import IntEnum
from typing import Any, NamedTuple, SupportsFloat

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lrwidget.steps import SKIPPED, StepOutput, StepReturn

_LAST_WORD_POLL_SECONDS = 0.001
_PATIENCE_FACTOR = 1.5  # a rank that has failed must still be there when the training's timeout frees the others
_FSDP2 = ("torch.distributed.fsdp", "torch.distributed._composable.fsdp")  # the second one's before PyTorch 2.6


class _Word(IntEnum):
    """Where a rank stands."""

    BATCH = 0
    FORWARD = 1
    LOSS = 2
    SKIPPED = 3
    EXHAUSTED = 4
    LEFT = 5
    FAILED = 6


class _Failure(NamedTuple):
    """What went wrong on a rank, in the order of blame: errors that echo another rank's come last."""

    is_echo: bool
    seconds: float
    rank: int
    text: str


class RankError(RuntimeError):
    """A range test of several processes ended because of what happened on another rank."""


def current_rank() -> int:
    """Which of the processes that train together this one is; 0 if it trains alone."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def reshard(modules: Iterable[nn.Module]) -> None:
    """Let go of the whole parameters that FSDP2 may hold besides the sharded ones, which are saved and restored.

    After a forward pass without a backward pass it keeps them; they would hide what is restored.

    Raises
    ------
    TypeError
        If a module is sharded in the old way, by a wrapper.
    """
    # Told by their class, not by their having the method: others may have one of that name. Not imported, not in use.
    sharded: Any = tuple(getattr(sys.modules[name], "FSDPModule", ()) for name in _FSDP2 if name in sys.modules)
    for root in modules:
        for module in root.modules():
            if type(module).__name__ == "FullyShardedDataParallel":
                raise TypeError(
                    "need a model sharded by torch.distributed.fsdp.fully_shard, got the FullyShardedDataParallel "
                    "wrapper, whose state cannot be put back; shard the plain model with fully_shard"
                )
            if isinstance(module, sharded):
                module.reshard()


def join_ranks() -> Alone:
    """Begin to talk with the other ranks, where there are others; all must call it."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        return Ranks()
    return Alone()


class Alone:
    """A process that trains by itself: everything stays as it is."""

    is_alone = True

    def batches(self, source: Iterator[Any]) -> Iterator[Any]:
        """The source's batches, as long as every rank has one."""
        return source

    def forward(self, compute: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        """The same function; it returns when it has succeeded on every rank."""
        return compute

    def losses(self, step: Callable[[float], StepReturn]) -> Callable[[float], StepReturn]:
        """The same step; the loss it returns is the mean over the ranks."""
        return step

    def leave(self, error: BaseException | None, is_interrupted: Callable[[], bool]) -> None:
        """The last word of this rank.

        Parameters
        ----------
        error
            What made it leave, if it was an exception.
        is_interrupted
            Asked while it waits for the others' last words; True ends the waiting.

        Raises
        ------
        RankError
            If another rank failed first, or can no longer be reached.
        """


class Ranks(Alone):
    """The ranks of the default process group, for one run.

    Raises
    ------
    RankError
        If not all of them have come within the group's timeout.
    """

    is_alone = False

    def __init__(self) -> None:
        self._rank, self._num_ranks = dist.get_rank(), dist.get_world_size()
        self._num_steps = 0
        self._lr = 0.0
        self._failed_at = 0.0
        self._is_over = False  # all know that it is: nobody will answer any more
        timeout = _timeout() * _PATIENCE_FACTOR
        try:
            self._group = dist.new_group(backend="gloo", timeout=timeout)
        except RuntimeError as error:
            raise RankError(
                f"need all {self._num_ranks} ranks to begin the range test, and some did not come: {error}; "
                "call it on every rank, not on rank 0 alone"
            ) from error

    def batches(self, source: Iterator[Any]) -> Iterator[Any]:
        while True:
            try:
                batch = next(source)
            except StopIteration:
                self._tell(_Word.EXHAUSTED)
                return
            lrs = self._tell(_Word.BATCH, self._lr)
            if self._is_over:
                return
            if len(set(lrs)) > 1:
                self._is_over = True
                rates = ", ".join(f"rank {rank}: {lr:g}" for rank, lr in enumerate(lrs))
                raise RankError(f"need one learning rate on all ranks, got {rates}; give all ranks one finder")
            yield batch

    def forward(self, compute: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        def together(batch: Any) -> Tensor:
            loss = compute(batch)
            self._tell(_Word.FORWARD)
            return loss

        return together

    def losses(self, step: Callable[[float], StepReturn]) -> Callable[[float], StepReturn]:
        def together(lr: float) -> StepReturn:
            self._lr = lr
            output = step(lr)
            if output is SKIPPED:
                self._tell(_Word.SKIPPED)
                return SKIPPED
            if isinstance(output, StepOutput):
                return output._replace(loss=self._mean(output.loss))
            return self._mean(output)

        return together

    def leave(self, error: BaseException | None, is_interrupted: Callable[[], bool]) -> None:
        self._failed_at = time.time()
        try:
            if not self._is_over:
                failed = error is not None and not isinstance(error, GeneratorExit)
                self._tell(_Word.FAILED if failed else _Word.LEFT, error=error, is_interrupted=is_interrupted)
        finally:
            dist.destroy_process_group(self._group)

    def _mean(self, loss: SupportsFloat) -> float:
        losses = self._tell(_Word.LOSS, loss.item() if isinstance(loss, Tensor) else float(loss))
        self._num_steps += 1
        return sum(losses) / len(losses)

    def _tell(
        self,
        word: _Word,
        number: float = 0.0,
        *,
        error: BaseException | None = None,
        is_interrupted: Callable[[], bool] | None = None,
    ) -> list[float]:
        """Say where this rank stands and hear it from all; return their numbers, or end the run for all of them."""
        try:
            words, numbers = self._exchange(word, number, is_interrupted)
            failures = self._failures(error) if _Word.FAILED in words else []
        except RuntimeError as lost:
            self._is_over = True
            raise RankError(
                f"lost contact with another rank after {self._num_steps} steps: it has died or hangs; "
                f"look for its own error ({lost})"
            ) from (error or lost)
        if failures:
            self._is_over = True
            self._blame(failures, error)
        elif words.count(word) < len(words):
            self._is_over = True
            self._settle(word, words)
        return numbers

    def _exchange(
        self, word: _Word, number: float, is_interrupted: Callable[[], bool] | None
    ) -> tuple[list[float], list[float]]:
        """The words and the numbers of all ranks; nothing where an interrupt has ended the waiting."""
        said = torch.tensor([float(word), number], dtype=torch.float64, device="cpu")
        heard = torch.empty(self._num_ranks, 2, dtype=torch.float64, device="cpu")
        work = dist.all_gather(list(heard.unbind()), said, group=self._group, async_op=is_interrupted is not None)
        if is_interrupted is not None:
            while not work.is_completed():
                if is_interrupted():
                    return [], []
                time.sleep(_LAST_WORD_POLL_SECONDS)
            work.wait()
        return heard[:, 0].tolist(), heard[:, 1].tolist()

    def _failures(self, error: BaseException | None) -> list[_Failure]:
        """What went wrong on each rank where something did."""
        own = None
        if error is not None:
            own = _Failure(_is_echo(error), self._failed_at, self._rank, f"{type(error).__name__}: {error}")
        failures: list[Any] = [None] * self._num_ranks
        dist.all_gather_object(failures, own, group=self._group)
        return [failure for failure in failures if failure is not None]

    def _blame(self, failures: list[_Failure], error: BaseException | None) -> None:
        """Raise the first failure, unless this rank has an error of its own to raise."""
        first = min(failures)
        if error is None or (_is_echo(error) and first.rank != self._rank):
            raise RankError(f"rank {first.rank} failed after {self._num_steps} steps: {first.text}") from error

    def _settle(self, word: _Word, words: list[float]) -> None:
        """Not all stand at the same point: the data of some are used up, or some have left."""
        if set(words) == {_Word.BATCH, _Word.EXHAUSTED}:
            return
        others = ", ".join(f"rank {r}: {_Word(int(w)).name.lower()}" for r, w in enumerate(words))
        if _Word.LEFT in words and word != _Word.LEFT:
            raise RankError(f"rank {words.index(_Word.LEFT)} ended the range test after {self._num_steps} steps")
        if word != _Word.LEFT:
            raise RankError(f"need ranks that all do the same, got {others}; use one finder and one kind of step")


def _timeout() -> timedelta:
    """The timeout of the default group's collectives."""
    group: Any = dist.group.WORLD
    for device in ("cpu", "cuda"):
        try:
            return timedelta(seconds=group._get_backend(torch.device(device)).options._timeout.total_seconds())
        except (RuntimeError, AttributeError):
            continue  # it has no backend for this device, or one of another kind
    return dist.default_pg_timeout


def _is_echo(error: BaseException) -> bool:
    """Whether a collective of the training failed, which another rank had left."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())
