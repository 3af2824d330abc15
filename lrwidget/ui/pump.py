"""One thread that draws, alive only while there is something to draw."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from time import monotonic

from lrwidget.live.budget import PERIOD_SECONDS

REST_SECONDS = 0.05  # between two ticks that a user asks for, with a slider or the marker
_LINGER_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Pump:
    """Calls a function soon after each request, and again every tenth of a second for as long as it asks for it.

    All widgets that show something are written by this thread alone. It begins with the first request, under the
    context of whoever made the newest one (so the messages it sends belong to that cell), and ends a second after the
    last.

    Parameters
    ----------
    tick
        Returns whether it wants to be called again without a request.
    """

    def __init__(self, tick: Callable[[], bool]) -> None:
        self._tick = tick
        self._changed = threading.Condition()
        self._context = contextvars.copy_context()
        self._thread: threading.Thread | None = None
        self._num_requested = 0
        self._num_served = 0
        self._num_awaited = 0  # the newest request that somebody waits for
        self._first_tick = 0.0  # when the thread may begin to tick
        self._is_closed = False

    def request(self, delay_seconds: float = 0.0) -> None:
        """Ask for a tick and return at once. Nothing happens after `close`.

        Parameters
        ----------
        delay_seconds
            How long the tick may wait, if there is nothing else to draw; a `flush` does not wait for it.
        """
        with self._changed:
            if self._is_closed:
                return
            self._num_requested += 1
            self._context = contextvars.copy_context()
            if self._thread is None:
                self._first_tick = monotonic() + delay_seconds
                self._thread = threading.Thread(target=self._loop, name="lrwidget-pump", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait for a tick that begins after this call; at once from within a tick."""
        if self._thread is threading.current_thread():
            return
        with self._changed:
            self.request()
            wanted = self._num_awaited = self._num_requested
            self._changed.wait_for(lambda: self._num_served >= wanted or self._is_closed)

    def hurry(self) -> None:
        """Have the next tick of a thread that is alive begin now, and return at once."""
        with self._changed:
            self._num_requested += 1
            self._num_awaited = self._num_requested
            self._changed.notify_all()

    def close(self) -> None:
        """End the thread and wait for it, except from within a tick; further requests do nothing."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _loop(self) -> None:
        with self._changed:
            self._sleep_until(self._first_tick)
            if self._is_closed:
                return
        while True:
            with self._changed:
                served, context = self._num_requested, self._context
            started = monotonic()
            goes_on = context.run(self._call)
            with self._changed:
                self._num_served = served
                self._changed.notify_all()
                self._sleep_until(started + (PERIOD_SECONDS if goes_on else REST_SECONDS))
                if not goes_on:
                    self._changed.wait_for(lambda done=served: self._is_new(done), _LINGER_SECONDS)  # type: ignore[misc]
                if self._is_closed or not (goes_on or self._is_new(served)):
                    self._thread = None
                    self._changed.notify_all()
                    return

    def _call(self) -> bool:
        try:
            return self._tick()
        except Exception:  # the thread must live on, or whoever waits for it would wait for ever
            _log.exception("drawing the widget failed")
            return False

    def _sleep_until(self, moment: float) -> None:
        self._changed.wait_for(self._is_awaited, max(0.0, moment - monotonic()))

    def _is_awaited(self) -> bool:
        """Whether there is no time to rest: somebody stands still until the next tick, or until the end."""
        return self._is_closed or self._num_awaited > self._num_served

    def _is_new(self, served: int) -> bool:
        return self._is_closed or self._num_requested > served
