"""Which samples of a batch pass through which views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.structures.random import generator


class ViewAssignment(NamedTuple):
    """A batch dealt into as many equal groups as there are views (what is over is left out).

    Group g passes views g, g + 1, ..., g + m - 1: all views have as many rows, every sample passes m of n views. What
    is no view, such as a column of the data, belongs to the samples of all groups.
    """

    order: tuple[str, ...]  # views, in this step's order
    m: int  # views a sample passes
    rows: Mapping[str, Tensor] | None  # rows of the batch that pass each view, group by group; None = all pass all
    every: Tensor | None = None  # rows of all groups, one after another

    def of(self, x: Tensor, view: str) -> Tensor:
        """Rows of the batch ``x`` that pass a view."""
        return x if self.rows is None else x[self.rows.get(view, self.every)]

    def share_samples(self, a: str, b: str) -> bool:
        """Whether some samples pass both views."""
        return self.rows is None or bool(set(self._groups(a)) & set(self._groups(b)))

    def shared(self, x: Tensor, view: str, other: str) -> Tensor:
        """Those rows of ``x``, the rows of ``view``, whose samples pass ``other`` too; in one order for both."""
        if self.rows is None or other not in self.rows:
            return x
        mine, theirs = self._groups(view), self._groups(other)
        both = sorted({*mine} & {*theirs}) if view in self.rows else theirs
        chunks = x.chunk(len(mine))
        return torch.cat([chunks[mine.index(group)] for group in both])

    def by_group(self, parts: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """The rows of each group's samples in the views that they pass; row i of all is of one sample.

        Args:
            parts: by view, its rows.
        """
        if self.rows is None:
            return [dict(parts)]
        found: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for view, part in parts.items():
            groups = self._groups(view)
            for group, rows in zip(groups, part.chunk(len(groups)), strict=True):
                found[group][view] = rows
        return [found[group] for group in sorted(found)]

    def apart(self, x: Tensor, view: str, pair: tuple[str, str]) -> Tensor:
        """Those rows of ``x``, the rows of ``view``, whose samples do not pass both views of the pair."""
        if self.rows is None:
            return x[:0]
        both = set(self._groups(pair[0])) & set(self._groups(pair[1]))
        mine = self._groups(view)
        chunks = zip(mine, x.chunk(len(mine)), strict=True)
        return torch.cat([x[:0], *(chunk for group, chunk in chunks if group not in both)])

    def _groups(self, view: str) -> list[int]:
        if view not in self.order:
            return [*range(len(self.order))]
        return [(self.order.index(view) - j) % len(self.order) for j in range(self.m)]


def assign_views(
    views: Sequence[str], m: int, batch: int, device: torch.device | str, seed: int, step: int, rank: int
) -> ViewAssignment:
    """Deal a batch. The views' order, hence which of them meet, is drawn each step, alike on all ranks.

    Args:
        views: names of the n views.
        m: views a sample passes.
        batch: samples on this device.
        device: where the rows are made.
        seed, step, rank: key of the random numbers.

    Raises:
        ValueError: fewer samples than views.
    """
    n = len(views)
    if m == n:
        return ViewAssignment(tuple(views), m, None)
    if batch < n:
        raise ValueError(
            f"views_per_step={m} deals a batch into {n} equal groups, one a view: "
            f"expected a batch of at least {n} samples on each device, got {batch}"
        )
    order = torch.randperm(n, generator=generator("cpu", seed, step, "order")).tolist()
    rows = torch.randperm(batch, generator=generator(device, seed, step, rank, "deal"), device=device)
    rows = rows[: batch - batch % n]
    empty = ViewAssignment(tuple(str(views[i]) for i in order), m, None)
    groups = rows.chunk(n)
    passing = {v: torch.cat([groups[g] for g in empty._groups(v)]) for v in empty.order}
    return empty._replace(rows=passing, every=rows)
