"""PacketLoss: packets of a sound do not arrive."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._sound import check_sound, frames_a_second, is_log_mel, is_wave
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, draw, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


def lost_packets(
    ratio: Float[Tensor, "B"], burst: Float[Tensor, "B"], packets: int, generator: torch.Generator
) -> Bool[Tensor, "B packets"]:
    """Which packets are lost: runs that arrive and runs that do not take turns, their lengths are geometric.

    This is the two-state chain of Gilbert, https://doi.org/10.1002/j.1538-7305.1960.tb03959.x, drawn run by run and
    not packet by packet, so that no packet waits for the one before it.
    """
    shape, device = (len(ratio), packets + 1), ratio.device
    luck = torch.rand(shape, generator=generator, device=device).clamp(1e-7, 1 - 1e-7)
    first_lost = torch.rand(ratio.shape, generator=generator, device=device) < ratio
    mean = torch.stack([burst * (1 - ratio) / ratio.clamp(min=1e-9), burst])  # of the runs that arrive, and do not
    lost = (torch.arange(shape[1], device=device) + first_lost.long().unsqueeze(1)) % 2 == 1
    leave = (1 / torch.where(lost, mean[1].unsqueeze(1), mean[0].unsqueeze(1))).clamp(max=1 - 1e-6)
    length = (luck.log() / torch.log1p(-leave)).ceil().clamp(1, packets).long()
    index = torch.arange(packets, device=device).expand(len(ratio), -1).contiguous()
    run = torch.searchsorted(length.cumsum(1), index, right=True)
    return lost.gather(1, run) & (ratio > 0).unsqueeze(1)


@register("corruption", "packet_loss")
class PacketLoss(Corruption):
    """Packets that a network loses, in bursts; nothing takes their place (https://arxiv.org/abs/2005.07794).

    A lost packet of a waveform is zeros, frames of a log-mel grid take its least value. Nothing says where they are.

    Args:
        ratio: share of the packets that are lost on average, at most 0.5, a number or an interval drawn from per
            sample.
        burst: mean number of packets lost in a row, likewise, at least 1.
        packet_ms: length of a packet in milliseconds, at least one cell.
        severity: 1 to 5, likewise, in place of ``ratio``: 0.02, 0.05, 0.1, 0.2 and 0.3. Both None: [1, 5].

    Raises:
        ValueError: neither waveforms nor log-mel; an option outside its bounds; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("time", 8, 0.01), channels=1, range=(-1.0, 1.0), signal=True)
    >>> view = clean_view(grid, torch.ones(1, 1, 8))
    >>> PacketLoss(ratio=0.5).bind(grid)(view, torch.Generator().manual_seed(3)).x.unique()
    tensor([0., 1.])
    """

    corruption_params = ("ratio",)
    levels: ClassVar = {"ratio": (0.02, 0.05, 0.1, 0.2, 0.3)}

    def __init__(
        self,
        *,
        ratio: Range | None = None,
        burst: Range = 2.0,
        packet_ms: float = 20.0,
        severity: Range | None = None,
    ) -> None:
        self.severity = severity_or(severity, ratio=ratio)
        self.ratio = interval("ratio", 0.0 if ratio is None else ratio, 0.0, 0.5)
        self.burst = interval("burst", burst, 1.0, 1000.0)
        self.packet_ms, _ = interval("packet_ms", packet_ms, 0.01, 1e6)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_wave(grid) or is_log_mel(grid)

    def setup(self) -> None:
        """Cells in a packet; a sound is needed."""
        check_sound("packet_loss", self.grid, log_mel=True)
        self.packet = max(1, round(self.packet_ms / 1000 * frames_a_second(self.grid)))

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, (batch, cells) = view.x, (view.x.shape[0], view.x.shape[-1])
        ratio, burst = self.drawn(batch, generator)["ratio"], draw(self.burst, batch, generator)
        lost = lost_packets(ratio, burst, cells // self.packet + 2, generator)
        phase = torch.randint(self.packet, (batch, 1), generator=generator, device=x.device)
        lost = lost.repeat_interleave(self.packet, 1).gather(1, torch.arange(cells, device=x.device) + phase)
        empty = float(self.grid.range[0]) if self.grid.log else 0.0
        x = x.masked_fill(lost.view(batch, *[1] * (x.ndim - 2), cells), empty)
        return view._replace(x=x, params={**view.params, "ratio": ratio})
