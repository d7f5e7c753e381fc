"""Memory that several threads share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class MemoryBudget:
    """Bytes of which each thread takes what its work needs, and waits until they are free.

    Args:
        size: bytes in all. What needs more than that is done alone.

    >>> budget = MemoryBudget(100)
    >>> with budget.taken(1000):
    ...     budget.free
    0
    """

    def __init__(self, size: int = 2 * 1024**3) -> None:
        self.size = self.free = size
        self._changed = Condition()

    def __reduce__(self) -> tuple:
        return MemoryBudget, (self.size,)  # a worker process has its own

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait for so many bytes; they are free again at the end."""
        amount = min(amount, self.size)
        with self._changed:
            self._changed.wait_for(lambda: self.free >= amount)
            self.free -= amount
        try:
            yield
        finally:
            with self._changed:
                self.free += amount
                self._changed.notify_all()
