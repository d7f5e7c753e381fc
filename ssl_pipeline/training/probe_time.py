"""How long the probes at the end of a run may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from types import FrameType
from typing import TypeVar

from ssl_pipeline.utils.auto import AUTO

_T = TypeVar("_T")

"""A share of the training, or some seconds, whichever is more."""

_SHARE, _LEAST = 0.2, 60.0


def probe_budget(asked: str | float | None, trained: float) -> float | None:
    """Seconds for the probes at the end of a run; None: as many as they take.

    Args:
        asked: ``auto`` for a fifth of the training or 60 s, whichever is more; seconds; or None.
        trained: seconds of training.

    >>> probe_budget("auto", 60), probe_budget("auto", 3600), probe_budget(5, 3600), probe_budget(None, 60)
    (60.0, 720.0, 5.0, None)
    """
    if asked is None:
        return None
    return max(_LEAST, _SHARE * trained) if isinstance(asked, str) else float(asked)


def check_budget(asked: str | float | None) -> None:
    """Refuse what is no time for probes.

    Raises:
        ValueError: neither auto, nor null, nor seconds above 0.
    """
    seconds = isinstance(asked, int | float) and not isinstance(asked, bool) and asked > 0
    if asked is not None and asked != AUTO and not seconds:
        raise ValueError(
            f"probe.budget={asked}: expected seconds for the probes at the end, auto (a fifth of the training, at "
            f"least {_LEAST:g} s), or null for all the time that they take"
        )


class ProbeTime:
    """Takes probes one after the other, and says of each what it is and how long it took; see also ``together``.

    A number is given in full or not at all: a probe that is at work when the time is up is left out, and so are those
    after it. Outside the main thread, or where the system has no timer, the one at work is finished.

    Args:
        seconds: for all of them; None for as many as they take.

    Attributes:
        left_out: names of the probes that the time did not suffice for.

    >>> time = ProbeTime(None)
    >>> time("addition", lambda: 1 + 1)  # doctest: +ELLIPSIS
    probes     addition ... 0.0 s
    2
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.left_out, self._began = seconds, [], perf_counter()
        self._title: str | None = None

    @property
    def taken(self) -> float:
        """Seconds since the beginning."""
        return perf_counter() - self._began

    @property
    def left(self) -> float | None:
        """Seconds until the time is up; None: there is no end."""
        return None if self.seconds is None else max(0.0, self.seconds - self.taken)

    def __call__(self, name: str, probe: Callable[[], _T]) -> _T | None:
        """What a probe gives; None where the time does not suffice."""
        if self._title is not None:
            return self._result(f"{self._title}, {name}", probe)
        with self.together(name):
            return self._result(name, probe)

    @contextmanager
    def together(self, title: str) -> Iterator[None]:
        """Probes that share a line, such as those of an encoder and of its baselines.

        Args:
            title: of the line; in ``left_out`` it stands before their names.
        """
        shown = self.left != 0
        if shown:
            print(f"probes     {title} ...", end=" ", flush=True)
        began, before, self._title = perf_counter(), [*self.left_out], title
        try:
            yield
        finally:
            self._title = None
        if shown:
            print(self._said(perf_counter() - began, self.left_out != before), flush=True)

    def _said(self, seconds: float, stopped: bool) -> str:
        """The end of a line."""
        if stopped:
            return f"stopped: the time for probes ({self.seconds:.0f} s) is up"
        return f"{seconds:.1f} s" + ("" if self.left is None else f", at most {self.left:.0f} s to go")

    def _result(self, name: str, probe: Callable[[], _T]) -> _T | None:
        if self.left == 0:
            self.left_out.append(name)
            return None
        try:
            with _time_limit(self.left):
                return probe()
        except _TimeIsUp:
            self.left_out.append(name)
            return None

    def part(self, share: float) -> ProbeTime:
        """Some of the time that is left."""
        return ProbeTime(None if self.left is None else self.left * share)


class _TimeIsUp(BaseException):
    """Not an Exception, so that nothing that a probe calls takes it for an error of its own."""


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise ``_TimeIsUp`` in what is done here after so many seconds, where the system can."""
    can = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    if seconds is None or not can:
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    # Again each second: what is raised while Python cleans up is lost.
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), 1.0)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
