"""Images among which some are junk: a test bed for what chooses its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Dataset, Index, Stream, Subset
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import generator
from ssl_pipeline.utils.errors import nearest

_KINDS = ("noise", "shuffled", "flat")


@register("data", "junk", parts={"of": "data"})
def junk(
    of: Data,
    share: float = 0.3,
    kinds: Sequence[str] = ("noise", "shuffled"),
    samples: int | None = None,
    seed: int = 0,
) -> Data:
    """A set of images with junk added to its training part; the test part stays clean.

    ``Data.junk`` tells which training samples are junk and ``Data.clean`` holds the others, for reports and probes;
    no loss sees either. Junk has the label -1 and a source of its own.

    Args:
        of: the images.
        share: of the training samples that are junk, from 0 up to, not including, 1.
        kinds: of junk, equally many of each: ``noise`` (each number drawn alone), ``shuffled`` (an image of the set
            whose pixels are dealt anew, so that its histogram stays), ``flat`` (one grey value).
        samples: images of the training part that are taken, the first ones; None: all.
        seed: of the junk.

    Raises:
        ValueError: a share that is none, an unknown kind, no samples, a stream, or samples that are no images.

    >>> from ssl_pipeline.data.named.digits import digits
    >>> data = junk(digits(), share=0.25)
    >>> len(data.train), int(data.junk.sum()), len(data.clean)
    (1916, 479, 1437)
    """
    if isinstance(of.train, Stream):
        raise ValueError(
            "data=junk adds samples to a set of known length, and got a stream: take another set as data.of"
        )
    if not isinstance(of.codec, Pixels) or of.columns:
        raise ValueError(f"data=junk makes junk images, and {of.name} holds other things: take images as data.of")
    if not 0 <= share < 1:
        raise ValueError(f"data.share={share}: expected the share of junk, from 0 up to, not including, 1")
    if samples is not None and not 1 <= samples <= len(of.train):
        raise ValueError(f"data.samples={samples}: {of.name} has {len(of.train)} training samples; take some of them")
    if unknown := [kind for kind in kinds if kind not in _KINDS]:
        raise ValueError(f"data.kinds has no {unknown[0]!r}; {nearest(unknown[0], _KINDS)}")
    if not kinds:
        raise ValueError(f"data.kinds is empty: name some of {', '.join(_KINDS)}")
    images = of.train if samples is None else Subset(of.train, range(samples))
    count = round(len(images) * share / (1 - share))
    x = torch.stack([_made(images, kind, -(-count // len(kinds)), seed) for kind in kinds], dim=1)
    first = 1 + max(int(part.sources.max()) for part in (of.train, of.test) if part is not None)
    labels = None if of.train.labels is None else torch.full((count,), -1)
    rubbish = MemoryDataset(x.flatten(0, 1)[:count], labels=labels, source=torch.arange(first, first + count))
    train = _Joined(images, rubbish)
    return replace(
        of,
        train=train,
        name=f"{of.name} with junk",
        clean=images,
        junk=torch.arange(len(train)) >= len(images),
    )


class _Joined:
    """Samples of one set, then those of another of the same kind."""

    def __init__(self, first: Dataset, second: Dataset) -> None:
        self.first, self.second = first, second
        self.sources = torch.cat([first.sources, second.sources])
        known = first.labels is not None and second.labels is not None
        self.labels = torch.cat([first.labels, second.labels]) if known else None  # pyright: ignore

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Index) -> Batch:
        index = torch.as_tensor(index, dtype=torch.int64)
        late = index >= len(self.first)
        if not late.any():
            return self.first[index]
        if late.all():
            return self.second[index - len(self.first)]
        a, b = self.first[index[~late]].x, self.second[index[late] - len(self.first)].x
        x = a.new_empty(len(index), *a.shape[1:])
        x[~late], x[late] = a, b
        label = None if self.labels is None else self.labels[index]
        return Batch(x=x, source=self.sources[index], label=label)


def _made(dataset: Dataset, kind: str, count: int, seed: int) -> Tensor:
    """Junk of one kind, like the samples of a set."""
    drawn = generator("cpu", seed, "junk", kind)
    models = dataset[torch.randint(len(dataset), (count,), generator=drawn)].x
    flat = models.flatten(2)  # (N, C, cells): channels of a cell stay together
    if kind == "shuffled":
        order = torch.rand(count, 1, flat.shape[2], generator=drawn).argsort(-1)
        return flat.gather(2, order.expand_as(flat)).view_as(models)
    shape = flat.shape if kind == "noise" else (count, 1, 1)
    if models.dtype == torch.uint8:
        value = torch.randint(256, shape, generator=drawn).to(torch.uint8)
    else:
        low, high = (float(models.min()), float(models.max())) if count else (0.0, 1.0)
        value = low + (high - low) * torch.rand(shape, generator=drawn).to(models.dtype)
    return value.expand_as(flat).reshape(models.shape).contiguous()
