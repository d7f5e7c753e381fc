"""The range of the values in a set of files, given or to be looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import TypeVar

from ssl_pipeline.utils.auto import AUTO

RANGE_FILES = 128
"""Files that are looked at."""

ValueRange = Sequence[int | float]
"""The lower and the upper end."""
RangeOption = str | Sequence[int | float] | None

T = TypeVar("T")


def checked_range(option: RangeOption) -> ValueRange | None:
    """The range that an option names; None of "auto" and of none.

    Raises:
        ValueError: neither "auto" nor two finite numbers, the lower one first.

    >>> checked_range([0, 4095])
    (0, 4095)
    """
    if option in (AUTO, None):
        return None
    if isinstance(option, str) or option is None or len(option) != 2 or not -inf < option[0] < option[1] < inf:
        raise ValueError(f"expected data.range=auto or data.range=[low,high], low below high, got {option!r}")
    return option[0], option[1]


def looked_at(count: int) -> list[int]:
    """Numbers of the files that are looked at, spread evenly over all.

    >>> looked_at(3), len(looked_at(1000)), looked_at(1000)[-1]
    ([0, 1, 2], 128, 992)
    """
    seen = min(count, RANGE_FILES)
    return [i * count // seen for i in range(seen)]


def tried(look: Callable[[int], T], number: int) -> T | None:
    """What is seen in a file; None where it cannot be read, of which whoever reads the set tells the reason."""
    try:
        return look(number)
    except MemoryError:
        raise
    except Exception:  # decoders raise whatever they like
        return None
