"""A block of places that read what came before them, and a memory."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ssl_pipeline.models.layers.attention import CrossBlock, KeyValue, attend, split_heads


class CausalBlock(nn.Module):
    """Pre-norm causal self-attention, then a ``CrossBlock`` (arXiv 1706.03762).

    Args:
        width: width of the places.
        memory_width: width of the memory's tokens.
        heads: attention heads; must divide ``width``.
        window: places that a place attends to, itself included; None for all up to itself.

    Raises:
        ValueError: ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, memory_width: int, heads: int, window: int | None = None) -> None:
        super().__init__()
        self.cross = CrossBlock(width, memory_width, heads)
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self,
        x: Float[Tensor, "B Q D"],
        memory: Float[Tensor, "B N E"] | KeyValue,
        valid: Bool[Tensor, "B N"] | None = None,
        past: KeyValue | None = None,
    ) -> tuple[Float[Tensor, "B Q D"], KeyValue]:
        """The next places, and what the places after them need of all so far.

        Args:
            x: places that follow those of ``past``.
            memory: its tokens, or as ``cross.remember`` gives them, so that they need not be read at each place.
            valid: tokens of the memory that count.
            past: what the call for the places before gave; None at the start.
        """
        q, k, v = split_heads(self.query_key_value(self.norm(x)), 3, self.heads)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        new, n = q.shape[2], k.shape[2]
        free = self.window is None and past is None  # then the kernel needs no mask written out
        mask = None if free or new == 1 else window_mask(new, n, self.window, x.device)
        read = attend(q, k, v, mask, causal=free)
        x = x + self.out(read.transpose(1, 2).flatten(2))
        first = 0 if self.window is None else max(0, n + 1 - self.window)
        known = self.cross.remember(memory) if isinstance(memory, Tensor) else memory
        return self.cross.read(x, known, valid), (k[:, :, first:], v[:, :, first:])


def window_mask(new: int, total: int, window: int | None, device: torch.device | None = None) -> Bool[Tensor, "Q N"]:
    """Which of ``total`` places the last ``new`` of them attend to: the last ``window`` up to themselves.

    >>> window_mask(2, 4, 2).int().tolist()
    [[0, 1, 1, 0], [0, 0, 1, 1]]
    """
    ahead = torch.arange(total, device=device) - torch.arange(total - new, total, device=device).unsqueeze(1)
    seen = ahead <= 0
    return seen if window is None else seen & (ahead > -window)
