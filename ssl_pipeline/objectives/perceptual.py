"""A term between what the encoder sees in decoded samples and in clean ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import L1, ReconstructionLoss
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.reconstruction import Wanted, check_share, compare_decoded, decoded_starts, edges_to_clean
from ssl_pipeline.structures.batch import Latent, clean_view
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, Edge


@register("objective", "perceptual", parts={"loss": "loss"})
class Perceptual(Term):
    """What is decoded looks to the run's own encoder as the clean sample does (perceptual loss, arXiv 1603.08155).

    The mean of all that a sample may have been is blurred. The encoder sees that, and its maps, compared place by
    place, ask for detail; that costs squared error, so give it a small weight beside a reconstruction. The weights that
    look stand still.

    Args:
        loss: between two maps in units of the spread of a sample's true one; None: the mean absolute difference.
        share: of each view's samples that are decoded in a step, at least one; each is encoded twice more.
        weight: factor of the term.
        views: views to start from; None for all.

    Raises:
        ValueError: samples of symbols; ``share`` outside (0, 1].
    """

    def __init__(
        self,
        *,
        loss: ReconstructionLoss | None = None,
        share: float = 0.5,
        weight: float = 1.0,
        views: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        check_share(share)
        self.share, self.loss = share, L1() if loss is None else loss

    def fits(self, grid: GridSpec) -> bool:
        """Whether samples are numbers."""
        return not grid.discrete

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge a start.

        Raises:
            ValueError: samples of symbols; some of the views, where all of them become one latent.
        """
        if info.grid.discrete:
            raise ValueError(f"objective.{self.name} looks at decoded numbers, and samples are symbols: leave it out")
        self.grid = info.grid
        return edges_to_clean(self.name, decoded_starts(self, info))

    def forward(self, state: State) -> dict[str, Tensor]:
        """Decode every start, and compare what is seen."""
        return {edge.name: self._seen(state, edge.source.name) for edge in self.edges}

    def _seen(self, state: State, start: str) -> Tensor:
        decoder: Decoder = state.decoders[CLEAN.name]  # pyright: ignore[reportAssignmentType]
        clean = state.clean_of(start)
        wanted = Wanted(state.latent(start), clean.x, clean.valid).first(self.share)
        made, truth, valid = compare_decoded(decoder, wanted, whole=True)
        views = {name: clean_view(self.grid, x, valid) for name, x in (("made", made), ("true", truth))}
        seen = state.look(views)
        pairs = zip(*map(_maps, seen.values()), strict=True)
        return torch.stack([self.loss(*_in_spreads(*pair)) for pair in pairs]).mean()


def _maps(latent: Latent) -> list[Tensor]:
    """What the encoder sees at each place, (B, N, D), fine to coarse, without the sample itself."""
    return [*(level.flatten(2).transpose(1, 2) for level in latent.finer[1:]), latent.tokens]


def _in_spreads(made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Maps in units of the standard deviation of each sample's true one."""
    true = true.detach().float()
    spread = true.std(dim=(1, 2), keepdim=True).clamp(min=1e-6)
    return made.float() / spread, true / spread
