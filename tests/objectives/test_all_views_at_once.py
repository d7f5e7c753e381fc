"""A loss of all views at once, through the term that gives it the views of each sample."""

from __future__ import annotations

import pytest
import torch
from helpers.terms import VIEWS, joined, said, state

from ssl_pipeline.losses import SIGReg, epps_pulley
from ssl_pipeline.losses.random_directions import directions
from ssl_pipeline.objectives import JointEmbedding
from ssl_pipeline.structures.batch import Latent


def lejepa(z: torch.Tensor, weight: float) -> torch.Tensor:
    """Of (V, N, D): distances to the middle of a sample's views, and one statistic a view and direction."""
    along = directions(torch.tensor(0), z.shape[2], 4)
    statistic = torch.stack([epps_pulley(view @ along, 5, 2.0).mean() for view in z]).mean()
    return (1 - weight) * (z - z.mean(0)).square().mean() + weight * statistic


@pytest.mark.parametrize("count", [2, 3, 4])
def test_lejepa_counts_each_view_once(count):
    """Not once a pair: of four views each stands in three, and a pair's middle is not that of all."""
    views = VIEWS[:count]
    z = torch.stack([latent.pooled for latent in said(views=views).values()])
    results = []
    for way in ("ours", "formula"):
        x = z.clone().requires_grad_()
        if way == "ours":
            latents = {name: Latent(torch.zeros(8, 0, 6), row) for name, row in zip(views, x, strict=True)}
            term = joined(JointEmbedding(loss=SIGReg(0.3, directions=4, knots=5, t_max=2.0)), "sigreg", views)
            (value,) = term(state(latents)).values()  # one edge between all
        else:
            value = lejepa(x, 0.3)
        value.backward()
        results.append((value.detach(), x.grad))
    torch.testing.assert_close(*results)
