"""Attraction with the embeddings kept normally distributed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.losses.random_directions import directions
from ssl_pipeline.utils import distributed


def epps_pulley(x: Float[Tensor, "B K"], knots: int, t_max: float) -> Float[Tensor, " K"]:
    """How far each column is from a standard normal sample: a weighted distance of characteristic functions.

    N times the integral of ``|mean(exp(itx)) - exp(-t^2/2)|^2 exp(-t^2/2)`` over t from -t_max to t_max (Epps and
    Pulley 1983, as in arXiv 2511.08544), N being the number of samples of all ranks.

    Args:
        x: numbers; the ranks hold equally many.
        knots: points of the trapezoidal rule from 0 to t_max; the integrand is symmetric.
        t_max: bound of the integral.
    """
    t = torch.linspace(0, t_max, knots, device=x.device)
    normal = (-t.square() / 2).exp()
    waves = x.unsqueeze(-1) * t
    local = torch.stack([waves.cos().mean(0), waves.sin().mean(0)])
    real, imaginary = distributed.gather(local.unsqueeze(0)).mean(0)
    error = (real - normal).square() + imaginary.square()
    return 2 * torch.trapezoid(error * normal, t, dim=-1) * len(x) * distributed.world_size()


def sigreg(
    groups: Sequence[Mapping[str, Float[Tensor, "N D"]]],
    along: Float[Tensor, "D K"],
    weight: float,
    knots: int,
    t_max: float,
    anchors: Collection[str] | None = None,
) -> Float[Tensor, ""]:
    """LeJEPA (arXiv 2511.08544): views drawn to their middle, each view's projections to the standard normal.

    The invariance is the mean over a sample's V views of the squared distance (a mean over D) to the middle of its
    anchors; the regulariser is the mean over views and directions of ``epps_pulley``.

    Args:
        groups: samples that pass the same views: by view, row by row of the same samples.
        along: directions of the projections, unit columns, the same on all ranks.
        weight: share of the regulariser; the invariance has the rest.
        knots: see ``epps_pulley``.
        t_max: see ``epps_pulley``.
        anchors: views whose mean is the middle, such as the global crops; None: all. A group without one is drawn
            nowhere.

    >>> a = torch.tensor([[0.0], [2.0]])
    >>> sigreg([{"a": a, "b": -a}], torch.ones(1, 1), weight=0.0, knots=3, t_max=1.0).item()
    2.0
    """
    names = dict.fromkeys(name for group in groups for name in group)
    views = {name: torch.cat([group[name] for group in groups if name in group]) for name in names}
    with torch.autocast(along.device.type, enabled=False):
        distances = [d for group in groups for d in _to_the_middle(group, anchors)]
        # Views of a step have equally many rows, so that their columns may stand side by side.
        projections = torch.cat([z.float() @ along for z in views.values()], dim=1)
        invariance = torch.cat(distances).mean() if distances else projections.sum() * 0
        return (1 - weight) * invariance + weight * epps_pulley(projections, knots, t_max).mean()


def _to_the_middle(group: Mapping[str, Tensor], anchors: Collection[str] | None) -> list[Tensor]:
    """Squared distances (N,) of each view of a group."""
    z = {name: part.float() for name, part in group.items()}
    held = [part for name, part in z.items() if anchors is None or name in anchors]
    return [(part - torch.stack(held).mean(0)).square().mean(1) for part in z.values()] if held and len(z) > 1 else []


@register("loss", "sigreg")
class SIGReg(PairLoss):
    """Sketched isotropic Gaussian regularisation; the directions are new in every call while it trains.

    Args:
        weight: share of the regulariser; the invariance has the rest.
        directions: number of projections.
        knots: points of the integral.
        t_max: bound of the integral, in standard deviations of the normal weight.

    Raises:
        ValueError: ``weight`` outside [0, 1]; no direction; fewer than two knots; ``t_max`` not positive.
    """

    takes_all = True
    draws: Tensor

    def __init__(self, weight: float = 0.05, directions: int = 256, knots: int = 17, t_max: float = 5.0) -> None:
        super().__init__()
        if not 0 <= weight <= 1:
            raise ValueError(f"weight={weight}: expected a share from 0 to 1")
        if directions < 1 or knots < 2 or t_max <= 0:
            raise ValueError(
                f"expected at least 1 direction, 2 knots and a positive t_max, got {directions}, {knots}, {t_max}"
            )
        self.weight, self.directions, self.knots, self.t_max = weight, directions, knots, t_max
        self.register_buffer("draws", torch.zeros((), dtype=torch.int64))

    @property
    def prevents_collapse(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """True while the regulariser has a weight."""
        return self.weight > 0

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scalar from two (B, D) embeddings."""
        return self.of_all([{"a": a, "b": b}])

    def of_all(self, groups: Sequence[Mapping[str, Tensor]], anchors: Collection[str] | None = None) -> Tensor:
        """See ``PairLoss``."""
        width = next(iter(groups[0].values())).shape[1]
        along = directions(self.draws, width, self.directions)
        if self.training:
            self.draws += 1
        return sigreg(groups, along, self.weight, self.knots, self.t_max, anchors)
