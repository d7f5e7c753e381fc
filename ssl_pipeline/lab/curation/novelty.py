"""How far a sample lies from what was seen, in units of how far that lies from itself."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register


def novelty(z: Float[Tensor, "N D"], seen: Float[Tensor, "M D"], k: int = 10, chunk: int = 1024) -> Float[Tensor, "N"]:
    """Log of the distance to the k nearest of what was seen, over the distance that those have to their own nearest.

    The ratio is a local outlier factor (Breunig et al., *LOF: identifying density-based local outliers*, 2000): around
    0 inside any kind of thing that was seen, dense or thin, and above it outside. So noise that was seen is no news,
    wide as it is spread, where a distance alone would call it new for ever; and what is seen again finds itself among
    the nearest.

    Args:
        z: embeddings that are asked about, without a gradient.
        seen: embeddings of what was seen, by the same encoder.
        k: neighbours.
        chunk: rows that are compared at a time.

    Raises:
        ValueError: no more than ``k`` embeddings that were seen.

    >>> angles = torch.linspace(0, 6, 60)
    >>> circle = torch.stack([angles.cos(), angles.sin()], dim=1)
    >>> novelty(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), circle).gt(1)
    tensor([False,  True])
    """
    if len(seen) <= k:
        raise ValueError(f"expected more than k={k} embeddings that were seen, got {len(seen)}: show more, or lower k")
    z, seen = z.float(), seen.float()
    spacing = torch.cat([_nearest(rows, seen, k + 1)[0][:, 1:].mean(1) for rows in seen.split(chunk)])  # 1: itself
    found = []
    for rows in z.split(chunk):
        distance, which = _nearest(rows, seen, k)
        found.append(distance.mean(1).clamp(min=1e-6).log() - spacing[which].mean(1).clamp(min=1e-6).log())
    return torch.cat(found)


def _nearest(rows: Tensor, seen: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances and numbers of the k nearest."""
    return torch.cdist(rows, seen, compute_mode="donot_use_mm_for_euclid_dist").topk(k, largest=False)


@register("novelty", "novelty")
class Novelty:
    """Prefers samples that are unlike those drawn in the last round, in the embedding as it is now.

    Args:
        weight: exponent of ``novelty`` as a factor of a sample's weight.
        k: neighbours.
        memory: drawn samples that are compared with, at most.

    Raises:
        ValueError: a number below its least.
    """

    def __init__(self, weight: float = 1.0, k: int = 10, memory: int = 4096) -> None:
        if weight <= 0 or k < 1 or memory <= k:
            raise ValueError(
                f"sampler.novelty: expected weight above 0, k of at least 1 and memory above k, "
                f"got {weight}, {k} and {memory}"
            )
        self.weight, self.k, self.memory = weight, k, memory

    def factors(self, z: Float[Tensor, "N D"], drawn: Tensor) -> Float[Tensor, "N"]:
        """Factor of each sample's weight: its distance over that of its neighbours, to the power ``weight``.

        Args:
            z: embeddings of all samples.
            drawn: numbers of those that were drawn.
        """
        seen = z[drawn[:: -(-len(drawn) // self.memory)]]
        return (self.weight * novelty(z, seen, self.k)).exp()
