"""The way up of a U-shaped network, from a latent that keeps what is fine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.decoders.base import Decoder, decoded_patches
from ssl_pipeline.models.estimates import Estimate
from ssl_pipeline.models.layers import pick
from ssl_pipeline.models.layers.conv import conv_nd
from ssl_pipeline.models.layers.unet import PlainBlock, folded, unfolded
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.grid import GridSpec

_RAISED = 8.0
"""Logits of the view's symbols before anything is learned: they have 92 % of 258 bytes."""


@register("decoder", "unet", parts={"estimates": "estimate"})
class UNetDecoder(Decoder):
    """The way up of a U-Net (arXiv 1505.04597): each level is added to what comes from below, the view to the result.

    Of symbols the result are logits, and those of the view's are raised: it starts with the view nearly as it is.

    With ``estimates`` the view is mixed, cell by cell, with what classical tools make of it, and the last level sees
    how they differ from it.

    How much of each channel is added, the deepest level says, sample by sample: of a view that was turned round
    nothing fine lies where it belongs. Levels of another size than the target's, as those of a small crop, are left
    out.

    Args:
        patch: side of the patches in which the result is given, in cells; of symbols 1.
        blocks: residual blocks of a level.
        level_drop: share of samples of a step in training that are decoded from the deepest level alone, so that it
            does not idle.
        estimates: by names of one's choice, each made of the target's grid; see ``models.estimates``.

    Raises:
        ValueError: a latent that keeps no finer levels; a target of which they are no multiple; a share outside [0, 1);
            patches of symbols; estimates of symbols, or on the way to what is unlike the view.
    """

    needs_grid = any_size = True
    before, behind = ("params",), ("estimates", "differences", "last", "head", "mixer", "of_view")

    def __init__(
        self,
        *,
        patch: int | Sequence[int] | None = None,
        blocks: int = 2,
        level_drop: float = 0.0,
        estimates: Mapping[str, Callable[[GridSpec], Estimate]] | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= level_drop < 1:
            raise ValueError(f"decoder.level_drop={level_drop}: expected a share from 0 to below 1")
        self.patch, self.per_level, self.level_drop = patch, blocks, level_drop
        self.tools = dict(estimates or {})

    def setup(
        self,
        grid: GridSpec,
        latent_width: int,
        dense_shape: tuple[int, ...] | None = None,
        n_params: int = 0,
        finer: Sequence[GridSpec] = (),
    ) -> None:
        """See ``Decoder``."""
        if len(finer) < 2:
            raise ValueError(
                "decoder=unet adds the finer levels of a latent, and this one keeps none: set encoder=unet "
                "latent=tokens, or another decoder"
            )
        self.patches, self.vocab = decoded_patches(grid, self.patch), grid.vocab
        self.params = nn.Linear(n_params, latent_width) if n_params else None
        levels = [*reversed(finer[1:])]
        self.fold = finer[0].shape[0] // levels[-1].shape[0]
        if any(n % self.fold for n in grid.shape):
            raise ValueError(f"decoder=unet leads to multiples of {self.fold} cells, got {list(grid.shape)}")
        steps = [self.fold * 2**level for level in range(len(levels) - 1, -1, -1)]
        self.sizes = [tuple(-(-n // step) for n in grid.shape) for step in steps]
        widths = [latent_width, *(level.channels or 0 for level in levels)]
        self.blocks = nn.ModuleList(
            Up(grid.ndim, below, width, latent_width, self.per_level) for below, width in pairwise(widths)
        )
        self.depth = len(self.blocks)
        channels = grid.vocab or grid.width
        alike = (grid.channels, grid.vocab) == (finer[0].channels, finer[0].vocab)
        self.of_view = Gate(latent_width, channels) if alike else None
        if self.tools and (grid.discrete or not alike):
            raise ValueError(
                f"decoder.estimates={sorted(self.tools)} are of numbers that come in and go out alike: set "
                "decoder.estimates=null"
            )
        self.estimates = nn.ModuleDict({name: tool(grid) for name, tool in self.tools.items()})
        self.ways = sum(estimate.count for estimate in self._estimates())
        if self.ways:
            inside = self.ways * channels * self.fold**grid.ndim
            self.differences = conv_nd(grid.ndim)(inside, widths[-1], 3, padding=1, bias=False)
            self.last = PlainBlock(grid.ndim, widths[-1])
            self.mixer = conv_nd(grid.ndim)(widths[-1], self.ways * self.fold**grid.ndim, 3, padding=1)
        self.head = conv_nd(grid.ndim)(widths[-1], channels * self.fold**grid.ndim, 3, padding=1, bias=False)
        for weight in self.head.parameters():  # it starts with the view nearly as it is
            nn.init.zeros_(weight)

    def forward(
        self,
        latent: Latent,
        places: Tensor | None = None,
        corruption_params: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """Patches (B, Q, P) at ``places``; the target is not looked at."""
        return self._steps(self._thinned(latent), places, corruption_params)

    def enter(self, latent: Latent, places: Tensor | None = None, corruption_params: Tensor | None = None) -> Tensor:
        """The deepest level as a map (B, D, *shape)."""
        x = latent.as_map
        if self.params is not None and corruption_params is not None:
            x = x + self.params(corruption_params)[(..., *(None,) * (x.ndim - 2))]
        return x

    def step(self, block: int, x: Tensor, latent: Latent) -> Tensor:
        """The map of the next finer level."""
        size = self.sizes[block]
        level = latent.finer[self.depth - block]
        return self.blocks[block](x, size, level if tuple(level.shape[2:]) == size else None, latent.tokens.mean(1))

    def leave(self, x: Tensor, latent: Latent, places: Tensor | None = None) -> Tensor:
        """Patches (B, Q, P), or logits, of the last map and the view."""
        begun = latent.finer[0]
        begins = self.of_view is not None and tuple(begun.shape[2:]) == tuple(self.fold * n for n in x.shape[2:])
        if begins and self.ways:
            x, begun = self._mixed(x, begun)
        made = unfolded(self.head(x), self.fold)
        if self.of_view is not None and begins:
            raised = 1 if self.vocab is None else _RAISED
            made = made.float() + raised * self.of_view(begun, latent.tokens.mean(1))
        patches = self.patches.split(made) if self.vocab is None else made.flatten(2).transpose(1, 2)
        return patches if places is None else pick(patches, places)

    def _mixed(self, x: Tensor, view: Tensor) -> tuple[Tensor, Tensor]:
        """The last map, that has seen the estimates, and the view moved some way to each of them."""
        away = torch.stack([one for estimate in self._estimates() for one in estimate(view)], 1) - view.unsqueeze(1)
        x = self.last(x + self.differences(folded(away.flatten(1, 2), self.fold)))
        size = x.float().square().mean(1, keepdim=True)
        ways = unfolded(self.mixer(x * (size + 1e-6).rsqrt().to(x.dtype)), self.fold).float()  # whatever the strength
        ways = torch.cat([torch.zeros_like(ways[:, :1]), ways], 1).softmax(1)[:, 1:]
        return x, view + (ways.unsqueeze(2) * away).sum(1)

    def _estimates(self) -> list[Estimate]:
        return list(self.estimates.values())  # pyright: ignore[reportReturnType]

    def _thinned(self, latent: Latent) -> Latent:
        """In training, without the finer levels of some samples."""
        if not self.training or self.level_drop == 0:
            return latent
        kept = (torch.rand(len(latent.tokens), device=latent.tokens.device) >= self.level_drop).float()
        keep = kept[(..., *(None,) * (latent.finer[0].ndim - 1))]
        return latent._replace(finer=tuple(level * keep.to(level.dtype) for level in latent.finer))


class Up(nn.Module):
    """One level: what comes from below, enlarged, and the level's own map where there is one, through blocks."""

    def __init__(self, ndim: int, below: int, width: int, latent_width: int, blocks: int) -> None:
        super().__init__()
        self.narrow = conv_nd(ndim)(below, width, 1, bias=False)
        self.gate = Gate(latent_width, width)
        self.blocks = nn.Sequential(*(PlainBlock(ndim, width) for _ in range(blocks)))

    def forward(self, x: Tensor, size: tuple[int, ...], level: Tensor | None, deepest: Tensor) -> Tensor:
        """A map of a size."""
        x = F.interpolate(self.narrow(x), size=size, mode="nearest")
        return self.blocks(x if level is None else x + self.gate(level, deepest))


class Gate(nn.Module):
    """How much of each channel of a map passes, as the mean (B, D) of the deepest level says; at first nearly all."""

    def __init__(self, latent_width: int, channels: int) -> None:
        super().__init__()
        self.say = nn.Linear(latent_width, channels)
        nn.init.normal_(self.say.weight, std=1e-3)
        nn.init.zeros_(self.say.bias)

    def forward(self, level: Tensor, deepest: Tensor) -> Tensor:
        """The map, channel by channel."""
        by = 1 + self.say(deepest).float()  # near 1 half precision is too coarse for what is to pass as it is
        return level * by[(..., *(None,) * (level.ndim - 2))]
