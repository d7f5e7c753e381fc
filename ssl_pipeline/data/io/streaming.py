"""The order of a stream: shards in random order, several read by turns, and a buffer in which samples are shuffled.

Own code, not the library's shuffle, whose order differs between the main process and a worker: here it depends on the
generator alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np

_Item = TypeVar("_Item")


def interleave(sources: Iterable[Iterable[_Item]], width: int) -> Iterator[_Item]:
    """Read ``width`` sources by turns; where one ends, the next takes its turn.

    >>> list(interleave(["ab", "cde", "fg"], width=2))
    ['a', 'c', 'b', 'd', 'e', 'f', 'g']
    """
    waiting = (iter(source) for source in sources)
    active = deque(islice(waiting, width))
    while active:
        source = active.popleft()
        try:
            item = next(source)
        except StopIteration:
            active.extend(islice(waiting, 1))
            continue
        active.append(source)
        yield item


def shuffled(items: Iterable[_Item], buffer: int, rng: np.random.Generator) -> Iterator[_Item]:
    """Each item once, drawn at random from the ``buffer`` that have been read but not given out.

    >>> "".join(sorted(shuffled("stream", buffer=3, rng=np.random.default_rng(0))))
    'aemrst'
    """
    held: list[_Item] = []
    for item in items:
        if len(held) < buffer:
            held.append(item)
            continue
        place = int(rng.integers(len(held)))
        yield held[place]
        held[place] = item
    yield from (held[place] for place in rng.permutation(len(held)))
