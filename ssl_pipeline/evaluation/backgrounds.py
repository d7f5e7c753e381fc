"""Held-out images on other backgrounds: how much of what an encoder says of the foreground it reads off the ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.data import Data, Dataset, Subset, statistics
from ssl_pipeline.data.base import Index
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, threshold
from ssl_pipeline.structures.batch import Batch, as_float
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

VARIANTS = {
    "original": "original",
    "only_foreground": "only-fg",
    "mixed_same": "mixed-same",
    "mixed_rand": "mixed-rand",
    "only_background": "only-bg",
}
"""Forms of an image and how tables call them, after the Backgrounds Challenge (https://arxiv.org/abs/2006.09994)."""

_GAPS = {
    "swap_gap": ("swap gap", "original", "mixed_rand"),
    "background_gap": ("BG-gap", "mixed_same", "mixed_rand"),
}
"""Differences between two of them: by how much the first is better."""

TITLES = {**VARIANTS, **{name: title for name, (title, *_) in _GAPS.items()}}
"""Columns of a table."""


class Cut(NamedTuple):
    """Images and where their foreground is."""

    x: Tensor  # (B, C, H, W) float
    foreground: Tensor  # (B, 1, H, W) bool


def filled(x: Float[Tensor, "B C H W"], unknown: Bool[Tensor, "B 1 H W"]) -> Float[Tensor, "B C H W"]:
    """Unknown places filled smoothly: each takes the mean of the finest block around it that has a known one.

    An image that is unknown throughout stays as it is.

    Args:
        x: samples in any unit.
        unknown: True where a value is unknown.

    >>> x = torch.tensor([[[[1.0, 9.0], [3.0, 2.0]]]])
    >>> filled(x, x == 9)
    tensor([[[[1., 2.],
              [3., 2.]]]])
    """
    if x.shape[-1] == x.shape[-2] == 1:
        return x
    known = (~unknown).to(x.dtype)
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    means = F.avg_pool2d(x * known, 2, ceil_mode=True) / share.clamp_min(torch.finfo(x.dtype).tiny)
    coarse = F.interpolate(filled(means, share == 0), size=x.shape[-2:], mode="bilinear")
    return torch.where(unknown & ~unknown.flatten(1).all(1).view(-1, 1, 1, 1), coarse, x)


def swapped(fore: Cut, ground: Cut) -> Float[Tensor, "B C H W"]:
    """The foreground of images over the background of others, in which the place of their own foreground is filled."""
    return torch.where(fore.foreground, fore.x, filled(ground.x, ground.foreground))


def partners(labels: Int64[Tensor, "N"], same: bool, random: torch.Generator) -> Int64[Tensor, "N"]:
    """Another sample for each: of the same label, or of any. Each is taken once; what is alone is its own partner.

    Args:
        labels: of the samples.
        same: whether partners share the label.
        random: of the draw.

    >>> labels = torch.tensor([0, 1, 0, 1])
    >>> partners(labels, True, torch.Generator())
    tensor([2, 3, 0, 1])
    """
    order = torch.randperm(len(labels), generator=random)
    if same:
        order = order[labels[order].argsort(stable=True)]
    groups = labels[order].unique_consecutive(return_counts=True)[1].tolist() if same else [len(labels)]
    found = torch.empty_like(order)
    for members in order.split(groups):
        found[members] = members.roll(1)
    return found


class Varied:
    """A variant of images.

    Args:
        images: with their column of foregrounds.
        partner: the image that lends each its background.
        grid: of the images.
        make: of images and their partners.
    """

    def __init__(
        self, images: Dataset, partner: Int64[Tensor, "N"], grid: GridSpec, make: Callable[[Cut, Cut], Tensor]
    ) -> None:
        self.images, self.partner, self.grid, self.make = images, partner, grid, make
        self.labels, self.sources = images.labels, images.sources

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Index) -> Batch:
        index = torch.as_tensor(index, dtype=torch.int64)
        batch = self.images[index]
        return batch._replace(x=self.make(self._cut(batch), self._cut(self.images[self.partner[index]])))

    def _cut(self, batch: Batch) -> Cut:
        return Cut(as_float(batch.x, self.grid), threshold(batch.columns[FOREGROUND].x))


def variants(data: Data, limit: int | None = None, seed: int = 0) -> dict[str, Dataset]:
    """The held-out images in each of ``VARIANTS``; none where no foreground is known, or nothing is labelled.

    Images without a label, without any foreground or without any background are left out.

    Args:
        data: what is known of foregrounds is its column ``foreground``.
        limit: held-out samples that are looked at, drawn at random where there are more; None for all.
        seed: of that and of the partners.

    Raises:
        ValueError: masks on another grid than the images.
    """
    if FOREGROUND not in data.columns or data.test is None or (labels := data.test.labels) is None:
        return {}
    if (theirs := data.columns[FOREGROUND].grid.shape) != data.grid.shape or len(theirs) != 2:
        raise ValueError(f"column {FOREGROUND}: expected masks on the grid {data.grid.shape} of images, got {theirs}")
    rows = torch.randperm(len(data.test), generator=generator("cpu", seed, "variants"))[:limit].sort().values
    rows = rows[labels[rows] >= 0]
    rows = torch.cat([some[_both(data.test[some])] for some in rows.split(256) if len(some)] or [rows])
    if len(rows) < 2:
        return {}
    images = Subset(data.test, rows)
    assert images.labels is not None
    same, anyone = (partners(images.labels, same, generator("cpu", seed, "partners", same)) for same in (True, False))
    plain = statistics(images, data.grid)[0].view(-1, 1, 1)
    made: Mapping[str, tuple[Tensor, Callable[[Cut, Cut], Tensor]]] = {
        "original": (anyone, lambda own, _: own.x),
        "only_foreground": (anyone, lambda own, _: torch.where(own.foreground, own.x, plain)),
        "mixed_same": (same, swapped),
        "mixed_rand": (anyone, swapped),
        "only_background": (anyone, lambda own, _: filled(own.x, own.foreground)),
    }
    return {name: Varied(images, partner, data.grid, make) for name, (partner, make) in made.items()}


def _both(batch: Batch) -> Bool[Tensor, "B"]:
    """Whether an image has foreground and background."""
    foreground = threshold(batch.columns[FOREGROUND].x).flatten(1)
    return foreground.any(1) & ~foreground.all(1)


def gaps(scores: Mapping[str, float], probe: str) -> dict[str, float]:
    """Differences of a probe's scores, by their keys.

    >>> found = {"knn/original": 90.0, "knn/mixed_same": 80.0, "knn/mixed_rand": 50.0}
    >>> gaps(found, "knn")
    {'knn/swap_gap': 40.0, 'knn/background_gap': 30.0}
    """
    return {f"{probe}/{name}": scores[f"{probe}/{a}"] - scores[f"{probe}/{b}"] for name, (_, a, b) in _GAPS.items()}
