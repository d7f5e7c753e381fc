"""A stream, asked by global step as a data set is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ssl_pipeline.data.base import Stream
from ssl_pipeline.structures.batch import Batch


class EndlessSteps:
    """Global steps without end: the sampler of a stream."""

    def __init__(self, start: Callable[[], int]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        step = self.start()
        while True:
            yield step
            step += 1


class StreamByStep:
    """A stream asked by global step. Steps come in order, so only the first one, or a jump, opens the stream."""

    def __init__(self, stream: Stream, **kwargs: int) -> None:
        self.stream, self.kwargs = stream, kwargs
        self.next, self.batches = -1, iter(())

    def __getitem__(self, step: int) -> Batch:
        if step != self.next:
            self.batches = self.stream.batches(step=step, **self.kwargs)
        self.next = step + 1
        return next(self.batches)
