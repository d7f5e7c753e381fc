"""What is measured of single samples, averaged over those that lie near each other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sklearn.cluster import KMeans
from torch import Tensor

_FITTED = 4096
"""Samples of which the regions are made."""


def by_region(value: Float[Tensor, "N"], z: Float[Tensor, "N D"], regions: int) -> Float[Tensor, "N"]:
    """Mean of a value over the region of each sample.

    Regions are those of k-means on centred directions. One sample's loss goes up and down with each step; what its
    like has in common stays (Oudeyer et al., *Intrinsic Motivation Systems for Autonomous Mental Development*, 2007).

    Args:
        value: of each sample.
        z: embeddings.
        regions: how many; no more than there are samples.

    >>> z = torch.tensor([[1.0, 0.0], [0.9, 0.1], [-1.0, 0.0], [-0.9, 0.1]])
    >>> by_region(torch.tensor([1.0, 3.0, 10.0, 20.0]), z, regions=2)
    tensor([ 2.,  2., 15., 15.])
    """
    directions = F.normalize((z - z.mean(0)).float(), dim=-1).cpu()
    every = -(-len(z) // _FITTED)
    count = min(regions, len(directions[::every]))
    found = KMeans(count, random_state=0).fit(directions[::every].numpy())  # one start, by k-means++
    which = torch.as_tensor(found.predict(directions.numpy())).long().to(value.device)
    total = value.new_zeros(regions).index_add(0, which, value)
    return (total / which.bincount(minlength=regions).clamp(min=1))[which]
