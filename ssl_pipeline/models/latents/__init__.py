"""Formats of the common latent, and the consensus of several views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.models.layers import CrossBlock
from ssl_pipeline.structures.batch import Latent


class Tokens(nn.Module):
    """Each view keeps the tokens its encoder gave."""

    keeps_grid = True
    fuse = None

    def __init__(self, *, width: int, embedding_width: int) -> None:
        super().__init__()
        self.width, self.embedding_width = width, embedding_width

    def forward(self, latent: Latent) -> Latent:
        """The latent itself."""
        return latent


class Slots(nn.Module):
    """K learned queries read the tokens: a fixed-format latent that any encoder can reach (arXiv 2103.03206).

    Args:
        width: width D of the encoder's tokens.
        embedding_width: not used; the embedding is the mean slot.
        slots: number of slots K.
        slot_width: width of a slot, D where not given.
        depth: cross-attention blocks.
        heads: attention heads.
        fuse: how views of a sample become one latent: ``None`` (each keeps its own), ``mean`` or ``relaxed``.

    Raises:
        ValueError: unknown ``fuse``; no slots.
    """

    keeps_grid = False

    def __init__(
        self,
        *,
        width: int,
        embedding_width: int,
        slots: int = 8,
        slot_width: int | None = None,
        depth: int = 2,
        heads: int = 4,
        fuse: str | Fuse | None = None,
    ) -> None:
        super().__init__()
        if slots < 1:
            raise ValueError(f"latent.slots={slots}: expected at least 1")
        if isinstance(fuse, str) and fuse not in FUSES:
            raise ValueError(f"latent.fuse={fuse!r} is not known; take null or one of {', '.join(FUSES)}")
        self.width = self.embedding_width = slot_width or width
        self.queries = nn.Parameter(torch.randn(1, slots, self.width) * 0.5)
        self.blocks = nn.ModuleList(CrossBlock(self.width, width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(self.width)
        self.fuse = FUSES[fuse]() if isinstance(fuse, str) else fuse

    def forward(self, latent: Latent) -> Latent:
        """Read (B, N, D) tokens into (B, K, D) slots."""
        slots = self.queries.expand(latent.tokens.shape[0], -1, -1)
        for block in self.blocks:
            slots = block(slots, latent.tokens, latent.valid)
        slots = self.norm(slots)
        return Latent(slots, slots.mean(1))


class Consensus(NamedTuple):
    """One latent for several views of a sample."""

    tokens: Tensor  # (B, K, D)
    energy: Tensor  # (steps + 1, B): energy along the way down; (1, B) where there is none to go
    consensus_loss: Tensor | None  # scalar: pull of the encoders towards a detached consensus

    @property
    def latent(self) -> Latent:
        """As decoders take it."""
        return Latent(self.tokens, self.tokens.mean(1))

    def added_to(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Energies of an objective with those of a relaxed ball.

        ``consensus`` is part of ``loss``. ``relaxation/0`` to ``relaxation/K`` are the mean energy at the start and
        after each step of the way down: they carry no gradient, and the loss does not hold them.
        """
        added = dict(losses)
        if self.consensus_loss is not None:
            added |= {"loss": added["loss"] + self.consensus_loss, "consensus": self.consensus_loss}
        if len(self.energy) > 1:
            added |= {f"relaxation/{k}": mean for k, mean in enumerate(self.energy.detach().mean(1))}
        return added


class Fuse(nn.Module):
    """Where the ball comes to rest between its springs. Without a term on the ball itself that is the mean."""

    relaxes = False
    """Whether the consensus is detached, so that its springs alone teach the encoders."""

    def forward(self, views: Sequence[Tensor], loss: Callable[[Tensor], Tensor] | None) -> Consensus:
        """Consensus of latents (B, K, D); gradients pass to every view."""
        z = torch.stack(tuple(views)).mean(0)
        return Consensus(z, consensus_loss(z, views).unsqueeze(0), None)


class Relaxed(Fuse):
    """K descent steps on the energy from the mean, then detached: dE/dtheta is the partial derivative at rest.

    Each sample halves its own step where the energy would rise, so its energy never rises. Without an energy the
    springs alone hold the ball, at the mean.

    The ball is told of the clean sample on its way, so that a decoder which answers to ever smaller moves of it can do
    without the views: their latents then become one constant, on which the springs cost nothing. (A norm of fixed scale
    over the slots does not prevent it.) So it needs a term that keeps the latents of samples apart, such as SIGReg.

    Args:
        steps: number of descent steps.
        rate: first step length, in units of the number of values in a latent.
        stiffness: weight of the springs to the views.
        data_weight: weight of the energy given to ``forward`` (the clamped clean sample).

    Raises:
        ValueError: a number that is not positive.
    """

    relaxes = True

    def __init__(self, steps: int = 4, rate: float = 0.2, stiffness: float = 1.0, data_weight: float = 1.0) -> None:
        super().__init__()
        if min(steps, rate, stiffness) <= 0 or data_weight < 0:
            raise ValueError(
                f"latent.fuse: relaxed inference needs positive steps, rate and stiffness, and no negative "
                f"data_weight, got steps={steps}, rate={rate}, stiffness={stiffness}, data_weight={data_weight}"
            )
        self.steps, self.rate, self.stiffness, self.data_weight = steps, rate, stiffness, data_weight

    def forward(self, views: Sequence[Tensor], loss: Callable[[Tensor], Tensor] | None) -> Consensus:
        """Consensus of latents (B, K, D).

        Args:
            views: what each encoder says.
            loss: (B, K, D) to (B,), how badly a latent explains the clean sample; None where that is not known.
        """
        fixed = [v.detach() for v in views]
        known = loss if self.data_weight else None

        def total(z: Tensor) -> Tensor:
            held = self.stiffness * consensus_loss(z, fixed)
            return held if known is None else held + self.data_weight * known(z)

        z = torch.stack(fixed).mean(0)
        rate = torch.full((len(z), 1, 1), self.rate * z[0].numel(), device=z.device)  # energies are means
        trace = []
        for _ in range(0 if known is None else self.steps):
            with torch.enable_grad():
                z = z.requires_grad_()
                here = total(z)
                (slope,) = torch.autograd.grad(here.sum(), z)
            z, there = z.detach(), here.detach()
            trace.append(there)
            with torch.no_grad():
                step = z - rate * slope
                better = (total(step) <= there)[:, None, None]
                z = torch.where(better, step, z)
                rate = torch.where(better, rate, rate / 2)
        with torch.no_grad():
            trace.append(total(z))
        return Consensus(z, torch.stack(trace), self.stiffness * consensus_loss(z, views).mean())


def consensus_loss(z: Float[Tensor, "B K D"], views: Sequence[Float[Tensor, "B K D"]]) -> Float[Tensor, " B"]:
    """Sum over views of the mean squared distance to ``z``, per sample."""
    return torch.stack([(z.float() - v.float()).square().mean((1, 2)) for v in views]).sum(0)


FUSES = {"mean": Fuse, "relaxed": Relaxed}
