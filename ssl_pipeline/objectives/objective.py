"""The weighted sum of terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.objectives.base import State, Term
from ssl_pipeline.objectives.reconstruction import Reconstruction
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.nodes import CLEAN, Edge


class Objective(nn.Module):
    """Weighted sum of terms.

    Args:
        terms: terms by name.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)

    def edges(self, views: Sequence[str], consensus: bool) -> dict[str, list[Edge]]:
        """Edges of each term."""
        return {name: term.edges(name, views, consensus) for name, term in self.named()}

    def forward(self, state: State, edges: Mapping[str, Sequence[Edge]]) -> dict[str, Tensor]:
        """Energies by edge, and their weighted sum as ``loss``."""
        losses, total = {}, torch.zeros((), device=state.clean.x.device)
        for name, term in self.named():
            parts = term(state, edges[name])
            if parts:  # a term over few views may find none of its pairs among this step's samples
                total = total + term.weight * torch.stack([*parts.values()]).mean()
            losses |= parts
        return {"loss": total, **losses}

    def per_sample(self, state: State, edges: Mapping[str, Sequence[Edge]]) -> Tensor:
        """Weighted sum (B,) of those terms that tell an energy of each sample.

        Args:
            state: of a step in which all samples pass all views.
            edges: of each term.

        Raises:
            ValueError: no term does.
        """
        rating = [(name, term) for name, term in self.named() if term.rates_samples]
        if not rating:
            raise ValueError(
                f"expected a term that tells an energy of each sample, got {', '.join(self.terms)}, which only know "
                f"batches: add one that reconstructs (reconstruct), predicts a teacher (byol, jepa, dino) or contrasts "
                f"views of a sample (info_nce, align)"
            )
        return torch.stack([term.weight * term.per_sample(state, edges[name]) for name, term in rating]).sum(0)

    def explains(self, clean: View, decoders: nn.ModuleDict) -> Callable[[Tensor], Tensor] | None:
        """How badly a latent (B, K, D) explains the clean sample, (B,), by the first term that reconstructs it."""
        for _, term in self.named():
            if isinstance(term, Reconstruction) and term.target == CLEAN:
                return term.explains(clean, decoders[CLEAN])  # pyright: ignore[reportArgumentType]
        return None

    def named(self) -> list[tuple[str, Term]]:
        """Terms with their names."""
        return [*self.terms.items()]  # pyright: ignore[reportReturnType]
