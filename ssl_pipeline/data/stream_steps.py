"""A stream, asked by global step and part of it as a data set is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice

from ssl_pipeline.data.base import Stream
from ssl_pipeline.structures.batch import Batch


class EndlessSteps:
    """Numbers of micro-batches, of which each step has ``parts``, without end: the sampler of a stream."""

    def __init__(self, start: Callable[[], int], parts: int = 1) -> None:
        self.start, self.parts = start, parts

    def __iter__(self) -> Iterator[int]:
        return count(self.start() * self.parts)


class StreamByStep:
    """A stream asked by number of micro-batch. They come in order, so only the first one, or a jump, opens the stream.

    Args:
        stream: where they come from.
        parts: micro-batches of a step.
        kwargs: of ``Stream.batches``.
    """

    def __init__(self, stream: Stream, parts: int = 1, **kwargs: int) -> None:
        self.stream, self.parts, self.kwargs = stream, parts, kwargs
        self.next, self.batches = -1, iter(())

    def __getitem__(self, number: int) -> Batch:
        if number != self.next:
            step, part = divmod(number, self.parts)
            batches = self.stream.batches(step=step, **self.kwargs)
            self.batches = islice((one for batch in batches for one in batch.split(self.parts)), part, None)
        self.next = number + 1
        return next(self.batches)
