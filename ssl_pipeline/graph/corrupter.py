"""From a batch to its views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.graph.columns import Columns
from ssl_pipeline.structures.batch import Batch, View, as_float, clean_view, stored
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator
from ssl_pipeline.structures.view_assignment import ViewAssignment, assign_views


class Views(NamedTuple):
    """A batch, clean and corrupted, in the data's units."""

    clean: View
    views: Mapping[str, View]
    assignment: ViewAssignment
    source: Tensor  # (B,) what each sample was taken from
    columns: Mapping[str, View] = {}  # what else losses want to know of the samples


STORAGES = ("file", "exact")


class Corrupter:
    """Makes the views of a batch, on its device.

    Args:
        grid: of the clean samples.
        corruptions: one a view, by the view's name, bound to the grid.
        columns: what belongs to each sample besides itself.
        views_per_step: views that each sample passes in a step.
        storage: ``file``: views hold what files of the grid hold, see ``stored``; ``exact``: what was computed.
    """

    def __init__(
        self,
        grid: GridSpec,
        corruptions: Mapping[str, Corruption],
        columns: Columns,
        views_per_step: int,
        storage: str = "file",
    ) -> None:
        self.grid, self.corruptions = grid, corruptions
        self.columns, self.views_per_step, self.storage = columns, views_per_step, storage

    def __call__(self, batch: Batch, seed: int = 0, step: int = 0, rank: int = 0, *, whole: bool = False) -> Views:
        """Views of a batch, a pure function of it and (seed, step, rank); ``whole``: all samples in all views."""
        clean = clean_view(self.grid, as_float(batch.x, self.grid), batch.valid)
        device, size = clean.x.device, len(clean.x)
        m = len(self.corruptions) if whole else self.views_per_step
        assignment = assign_views(tuple(self.corruptions), m, size, device, seed, step, rank)
        views = {}
        for name, corruption in self.corruptions.items():
            valid = None if clean.valid is None else assignment.of(clean.valid, name)
            start = clean._replace(x=assignment.of(clean.x, name), valid=valid)
            corruption = corruption.for_step(generator("cpu", seed, step, name))
            view = corruption(start, generator(device, seed, step, rank, name))
            views[name] = view if self.storage == "exact" else self._as_files_hold(view, start)
        return Views(clean, views, assignment, batch.source, self.columns.views(batch.columns, assignment))

    def _as_files_hold(self, view: View, start: View) -> View:
        """The view in the steps of a file, but for what it left as it was."""
        if view.x is start.x:
            return view
        unmasked = view.unmasked
        if unmasked is not None and unmasked is not start.x:
            unmasked = stored(unmasked, self.grid)
        return view._replace(x=stored(view.x, self.grid), unmasked=unmasked)
