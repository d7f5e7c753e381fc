"""Terms whose losses lie between what is decoded from two views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import Divergence, ReconstructionLoss
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.masked_patches import weights
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, Edge, Node


@register("objective", "consistency", parts={"loss": "loss"})
class Consistency(Term):
    """The decoder to the clean form says the same of two views of a sample (UDA, arXiv 1904.12848; R-Drop, 2106.14448).

    No view learns what is right, so that one constant output for all samples costs nothing: another term must lead
    some of the views to the clean form. A decoder that continues from true symbols gets those of the clean sample.

    Args:
        loss: between two outputs: a divergence of symbols' distributions, or a distance of numbers.
        targets: views whose outputs stand still, without a gradient, while those of all others come to them; None: all
            views meet, and both sides of every pair move.
        weight: factor of the term.
        views: views that meet; None for all.

    Raises:
        ValueError: a loss that compares with the truth, or whole signals.
    """

    def __init__(
        self,
        *,
        loss: ReconstructionLoss,
        targets: Sequence[str] | None = None,
        weight: float = 1.0,
        views: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        name = type(loss).__name__
        if loss.discrete and not isinstance(loss, Divergence):
            raise ValueError(
                f"{name} compares symbols with the true ones, and here two distributions of them meet: "
                f"take JensenShannon or SymmetricKL"
            )
        if loss.whole:
            raise ValueError(f"{name} compares whole signals, and here places are compared: take MSE")
        self.loss = loss
        self.targets = None if targets is None else tuple(targets)

    def fits(self, grid: GridSpec) -> bool:
        """Whether the loss compares symbols or numbers as the grid has them."""
        return self.loss.discrete == grid.discrete

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge a pair of outputs, or one from each output that moves to each that stands still.

        Raises:
            ValueError: all views become one latent; no two views; a target that is no view.
        """
        name = self.name
        if info.consensus:
            raise ValueError(
                f"objective.{name} compares what the views lead to, and latent.fuse makes one latent of all: "
                f"set latent.fuse=null"
            )
        covered = self.covered(info.views)
        if self.targets is None:
            pairs = {f"{name}/{a}~{b}": (a, b) for a, b in combinations(covered, 2)}
        else:
            moving = [view for view in covered if view not in self.targets]
            pairs = {f"{name}/{a}>{b}": (a, b) for a in moving for b in self.targets}
        if not pairs:
            raise ValueError(
                f"objective {name} compares outputs of views and found {', '.join(covered) or 'none'}, "
                f"targets={self.targets}: give it two views, for example corruption=template+template"
            )
        return [Edge(label, (Node.output(a),), Node.output(b), True, False) for label, (a, b) in pairs.items()]

    def forward(self, state: State) -> dict[str, Tensor]:
        """Decode every view once; compare pairs on the samples that they share."""
        pairs = {edge.name: (edge.source.name, edge.target.name) for edge in self.edges}
        met = {name: (a, b) for name, (a, b) in pairs.items() if state.assignment.share_samples(a, b)}
        still = self.targets or ()
        said = {}
        for view in dict.fromkeys(view for pair in met.values() for view in pair):
            with torch.set_grad_enabled(torch.is_grad_enabled() and view not in still):
                said[view] = self._said(state, view)
        return {name: self._pair(state, said[a], said[b], a, b) for name, (a, b) in met.items()}

    @staticmethod
    def _said(state: State, view: str) -> Tensor:
        """What the decoder says of a view, everywhere, (B, Q, P) or (B, Q, vocab)."""
        decoder: Decoder = state.decoders[CLEAN.name]  # pyright: ignore[reportAssignmentType]
        truth = decoder.patches.split(state.assignment.of(state.clean.x, view)) if decoder.causal else None
        return decoder(state.latents[view], None, None, truth)

    def _pair(self, state: State, said: Tensor, other: Tensor, a: str, b: str) -> Tensor:
        decoder: Decoder = state.decoders[CLEAN.name]  # pyright: ignore[reportAssignmentType]
        valid = state.clean.valid
        valid = None if valid is None else state.assignment.shared(state.assignment.of(valid, a), a, b)
        weight = weights(decoder.patches, valid, None, None)
        return self.loss(state.assignment.shared(said, a, b), state.assignment.shared(other, b, a), weight)
