"""Signals that end a run: Ctrl-C, the end of a job, and the warning of it that a scheduler can be asked to send."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ssl_pipeline.utils.errors import Interrupted

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


@contextmanager
def heard_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Call a handler where a signal comes, for a while; in other threads than the main one nothing is heard."""
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in SIGNALS} if main else {}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


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

    with heard_by(stop):
        yield
