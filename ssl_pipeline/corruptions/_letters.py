"""Texts of bytes (UTF-8) changed letter by letter."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from ssl_pipeline.corruptions._tokens import BYTES, Content, check_text, moved, padding_symbol
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


def is_bytes(grid: GridSpec) -> bool:
    """Whether samples are texts whose symbols are the 256 bytes, an end and a mask."""
    return grid.discrete and grid.ndim == 1 and grid.vocab == BYTES + 2


def check_bytes(name: str, grid: GridSpec) -> None:
    """Refuse what is no text of bytes.

    Raises:
        ValueError: another grid.
    """
    check_text(name, grid)
    if not is_bytes(grid):
        raise ValueError(
            f"{name} changes letters, so that a grid needs the symbols 0 to 255 (bytes), an end and a mask, "
            f"got {grid.vocab} symbols: use data of text with tokens=bytes"
        )


def is_letter(x: Int64[Tensor, "B N"]) -> Bool[Tensor, "B N"]:
    """Whether a byte is one of the letters A to Z and a to z.

    >>> is_letter(torch.tensor([[*b"a-Z", 257]]))
    tensor([[ True, False,  True, False]])
    """
    small = x | 32
    return (small >= ord("a")) & (small <= ord("z")) & (x < 128)


def chance(x: Int64[Tensor, "B N"], ratio: Tensor, generator: torch.Generator) -> Bool[Tensor, "B N"]:
    """True with the probability ``ratio`` (B,) of the sample."""
    return torch.rand(x.shape, generator=generator, device=x.device) < ratio.unsqueeze(1)


def leaving_some(gone: Bool[Tensor, "B N"], text: Content) -> Bool[Tensor, "B N"]:
    """``gone``, but of a text of which nothing would be left nothing goes."""
    return gone & (text.inside & ~gone).any(1, keepdim=True)


def with_room(
    twice: Bool[Tensor, "B N"], gone: Bool[Tensor, "B N"], text: Content, generator: torch.Generator
) -> Bool[Tensor, "B N"]:
    """As many of ``twice``, drawn at random, as there is room for once ``gone`` has gone."""
    room = text.x.shape[1] - text.closed.long() - text.length + gone.sum(1, keepdim=True)
    luck = torch.rand(twice.shape, generator=generator, device=twice.device)
    rank = luck.masked_fill(~twice, 2.0).argsort(1).argsort(1)
    return twice & (rank < room)


def edited(
    view: View,
    text: Content,
    grid: GridSpec,
    first: Int64[Tensor, "B N"],
    gone: Bool[Tensor, "B N"],
    twice: Bool[Tensor, "B N"] | None = None,
    second: Int64[Tensor, "B N"] | None = None,
) -> View:
    """The view of a text in which some symbols are others, have gone, or are two; the rest moves together.

    Args:
        view: as it was.
        text: its content.
        grid: of both.
        first: symbols in the place of the text's.
        gone: where there is none.
        twice: where there are two, for which there is room.
        second: the second of them; None: as the first.
    """
    count = (~gone & (text.index < text.length + text.closed.long())).long()
    if twice is not None:
        count = count + twice.long()
    ends = count.cumsum(1)
    index = text.index.expand(ends.shape).contiguous()
    source = torch.searchsorted(ends, index, right=True).clamp(max=ends.shape[1] - 1)
    x = first.gather(1, source)
    if second is not None:
        x = torch.where(index > (ends - count).gather(1, source), second.gather(1, source), x)
    valid = index < ends[:, -1:]
    return moved(view, x.masked_fill(~valid, padding_symbol(grid)), text.cells.gather(1, source), valid)


class LetterCorruption(Corruption):
    """What is drawn for each letter of texts of bytes, with a probability ``ratio`` of the sample."""

    corruption_params = ("ratio",)

    def __init__(self, ratio: Range | None, severity: Range | None) -> None:
        self.severity = severity_or(severity, ratio=ratio)
        self.ratio = interval("ratio", 0.0 if ratio is None else ratio, 0.0, 1.0)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_bytes(grid)

    def setup(self) -> None:
        """A text of bytes is needed."""
        check_bytes(type(self).__name__.lower(), self.grid)
