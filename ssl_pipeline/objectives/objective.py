"""The weighted sum of terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.reconstruction import Reconstruction
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, Edge
from ssl_pipeline.utils.errors import options_of


class Objective(Bindable, nn.Module):
    """Weighted sum of terms.

    Args:
        terms: terms by name, or one of them.
    """

    def __init__(self, terms: Mapping[str, Term] | Term) -> None:
        super().__init__()
        self.terms = nn.ModuleDict({type(terms).__name__.lower(): terms} if isinstance(terms, Term) else terms)

    def setup(self, info: GraphInfo) -> None:
        """Let each term join a graph."""
        bound = {}
        for name, term in self.named():
            with options_of(f"objective.{name}"):
                bound[name] = term.bind(name, info)
        self.terms = nn.ModuleDict(bound)

    @property
    def edges(self) -> list[Edge]:
        """Edges of all terms."""
        return [edge for _, term in self.named() for edge in term.edges]

    def fitting(self, grid: GridSpec) -> Objective:
        """Those terms that compare what samples of a grid are made of."""
        return Objective({name: term for name, term in self.named() if term.fits(grid)})

    def forward(self, state: State) -> dict[str, Tensor]:
        """Losses by edge, and their weighted sum as ``loss``."""
        losses, total = {}, torch.zeros((), device=state.clean.x.device)
        for _, term in self.named():
            parts = term(state)
            if parts:  # a term over few views may find none of its pairs among this step's samples
                total = total + term.weight * torch.stack([*parts.values()]).mean()
            losses |= parts
        return {"loss": total, **losses}

    def per_sample(self, state: State) -> Tensor:
        """Weighted sum (B,) of those terms that give a loss of each sample.

        Args:
            state: of a step in which all samples pass all views.

        Raises:
            ValueError: no term does.
        """
        rating = [term for _, term in self.named() if term.rates_samples]
        if not rating:
            raise ValueError(
                f"expected a term that gives a loss of each sample, got {', '.join(self.terms)}, which only know "
                f"batches: add one that reconstructs (reconstruct), predicts a teacher (byol, jepa, dino) or contrasts "
                f"views of a sample (info_nce, align)"
            )
        return torch.stack([term.weight * term.per_sample(state) for term in rating]).sum(0)

    def explains(self, clean: View, decoders: nn.ModuleDict) -> Callable[[Tensor], Tensor] | None:
        """How badly a latent (B, K, D) explains the clean sample, (B,), by the first term that reconstructs it."""
        for _, term in self.named():
            if isinstance(term, Reconstruction) and term.target == CLEAN.name:
                return term.explains(clean, decoders[CLEAN.name])  # pyright: ignore[reportArgumentType]
        return None

    def named(self) -> list[tuple[str, Term]]:
        """Terms with their names."""
        return [*self.terms.items()]  # pyright: ignore[reportReturnType]
