"""Images in the rows of a table of the Hugging Face library."""

from __future__ import annotations

from typing import Any

from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.base import Subset
from ssl_pipeline.data.cache.folder import fingerprint
from ssl_pipeline.data.cache.images import IMAGES_VERSION, decoded_images
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.huggingface.hf_pixels import pixels_of, undecoded
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.options import Cache, UnreadableFiles


class HfImages(Subset):
    """The images of a table that can be read, decoded once.

    Args:
        rows: a ``datasets.Dataset``.
        column: of the images.
        labels: of the rows.
        codec: makes pixels of images.
        unreadable: what happens to rows that cannot be read.
        cache: how images are decoded and kept.

    Attributes:
        table: the rows of these images, which may hold more of them.

    Raises:
        ValueError: too many rows cannot be read.
        OSError: no room for what is decoded.
    """

    def __init__(
        self,
        rows: Any,
        column: str,
        labels: Int64[Tensor, "N"] | None,
        codec: Pixels,
        unreadable: UnreadableFiles = UnreadableFiles(),
        cache: Cache = Cache(),
    ) -> None:
        images, budget = undecoded(rows.select_columns([column]), column), MemoryBudget()
        dataset, failed = decoded_images(
            read=lambda number, note: pixels_of(images[number][column], codec, note, budget),
            names=[f"row {number}" for number in range(len(rows))],
            # What `datasets` itself names its cached files by: it changes with the data.
            key=fingerprint((), f"images {IMAGES_VERSION} {rows._fingerprint} {column} {codec}"),
            codec=codec,
            labels=labels,
            cache=cache,
            limit=unreadable.limit,
        )
        readable = [number for number in range(len(rows)) if number not in failed]
        super().__init__(dataset, readable)
        self.table = rows.select(readable) if failed else rows
