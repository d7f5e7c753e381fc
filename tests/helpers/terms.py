"""Terms without a graph, and steps that they are given."""

from __future__ import annotations

import torch

from ssl_pipeline.losses import SelfDistillation
from ssl_pipeline.objectives import GraphInfo, State, Targets
from ssl_pipeline.structures.batch import Latent, clean_view
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.view_assignment import assign_views

LINE = GridSpec.of(("x", 6), channels=1)
VIEWS = ("a", "b", "c", "d")


def joined(term, name="term", views=VIEWS, width=6, grid=LINE):
    """A term in a graph of some views."""
    tokens = GridSpec(grid.axes, channels=width)
    return term.bind(name, GraphInfo(tuple(views), False, grid, width, width, True, tokens))


def state(latents, dealt=None, valid=None, head=lambda module: module, teacher=None):
    """A step whose encoder said ``latents`` of each view, and whose teacher said ``teacher``, or the same."""
    n = len(next(iter(latents.values())).pooled)
    dealt = assign_views([*latents], len(latents), n, "cpu", 0, 0, 0) if dealt is None else dealt
    views = {name: clean_view(LINE, torch.zeros(n, 1, 6), valid) for name in latents}
    targets = Targets(latents if teacher is None else teacher, head)
    return State(views["a"], views, torch.arange(n), latents, dealt, {}, lambda _: None, targets, lambda seen: latents)


def said(rows=8, width=6, seed=0, views=VIEWS):
    generator = torch.Generator().manual_seed(seed)
    return {v: Latent(torch.zeros(rows, 0, width), torch.randn(rows, width, generator=generator)) for v in views}


class Spy(SelfDistillation):
    """Keeps the rows that each target was made of."""

    def target(self, said):
        self.rows = [*getattr(self, "rows", []), said]
        return super().target(said)
