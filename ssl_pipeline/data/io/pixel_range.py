"""The range of a set of images: given, or found in some of its files."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from PIL import Image

from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.pixel_values import depth_of, memory_for, pixel_values
from ssl_pipeline.data.io.value_range import RangeOption, ValueRange, checked_range, looked_at, tried


def range_of(
    option: RangeOption,
    count: int,
    open_image: Callable[[int], AbstractContextManager[Image.Image]],
    channels: int,
    pages: str = "first",
    workers: int = 1,
) -> ValueRange | None:
    """Least and largest value of a set of images; None where 8 bits are read as they are.

    Whole numbers where the files hold whole numbers. A set of which any file that is looked at has 8 bits is one of
    8 bits.

    Args:
        option: the range, None for 8 bits, or "auto" to look for it in up to 128 of the images.
        count: of the images.
        open_image: one by its number.
        channels: see ``pixel_values``.
        pages: likewise.
        workers: decoding threads.

    Raises:
        ValueError: another option.
    """
    given = checked_range(option)
    if option is None:
        return None

    def depth(number: int) -> str:
        with open_image(number) as image:
            return depth_of(image)

    def bounds(number: int) -> ValueRange:
        with open_image(number) as image, budget.taken(memory_for(image, channels, deep=True)):
            values = pixel_values(image, channels, pages, deep=True)
        return values.min().item(), values.max().item()

    some, budget = looked_at(count), MemoryBudget()
    if given is not None:
        whole = all(tried(depth, number) != "float32" for number in some)
        return given if whole else (float(given[0]), float(given[1]))
    if any(tried(depth, number) == "uint8" for number in some):
        return None
    with ThreadPoolExecutor(workers) as pool:
        found = [one for one in pool.map(lambda number: tried(bounds, number), some) if one is not None]
    if not found:
        return None
    low, high = min(one[0] for one in found), max(one[1] for one in found)
    return (low, high) if low < high else (low, low + 1)  # all of one value
