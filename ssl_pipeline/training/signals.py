"""Signals that end a run: Ctrl-C, the end of a job, and the warning of it that a scheduler can be asked to send."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ssl_pipeline.utils.errors import Interrupted

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


def handlers() -> dict[int, Any]:
    """What is called now where a signal comes."""
    return {number: signal.getsignal(number) for number in SIGNALS}


def call_on_signals(handlers: Mapping[int, Any]) -> None:
    """Call these where a signal comes; in other threads than the main one nothing is heard."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def ended_at_once(said: str) -> Iterator[None]:
    """Let a signal end what is done here at once.

    Args:
        said: printed then: what was interrupted, and how it is done again.

    Raises:
        Interrupted: a signal has come.
    """

    def stop(number: int, frame: Any) -> None:
        print(said, flush=True)
        raise Interrupted(number)

    before = handlers()
    call_on_signals(dict.fromkeys(SIGNALS, stop))
    try:
        yield
    finally:
        call_on_signals(before)
