"""What was seen in the last steps, and losses that compare with it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.losses.base import PairLoss
from ssl_pipeline.utils import distributed


class Queue(nn.Module):
    """The last embeddings of all ranks on the unit sphere; random ones until enough have come.

    It is part of the state that is saved, and alike on all ranks.

    Args:
        size: number of embeddings.
        width: width of an embedding.

    Raises:
        ValueError: a size or a width that is not positive.
    """

    rows: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        if size < 1 or width < 1:
            raise ValueError(f"size={size}, width={width}: expected positive numbers")
        start = torch.randn(size, width, generator=torch.Generator().manual_seed(0))
        self.register_buffer("rows", F.normalize(start, dim=-1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def forward(self, like: Float[Tensor, "B D"]) -> Float[Tensor, "Q D"]:
        """A copy of the queue, to which a backward pass may hold on while the queue moves.

        Args:
            like: embeddings that shall meet it.

        Raises:
            ValueError: they have another width.
        """
        if like.shape[1] != self.rows.shape[1]:
            raise ValueError(
                f"the queue holds embeddings of width {self.rows.shape[1]} and was given {like.shape[1]}: "
                f"set width to that of the embeddings"
            )
        return self.rows.clone()

    @torch.no_grad()
    def push(self, rows: Float[Tensor, "B D"]) -> None:
        """Put the rows of all ranks in the place of the oldest."""
        size = len(self.rows)
        newest = F.normalize(distributed.gather_plain(rows.float()), dim=-1)[-size:]
        where = (self.place + torch.arange(len(newest), device=rows.device)) % size
        self.rows[where] = newest
        self.place.copy_((self.place + len(newest)) % size)


class QueueEnergy(PairLoss):
    """Contrast with a queue of past targets.

    Args:
        width: width of the embeddings.
        size: number of targets in the queue.
        temperature: divides the cosines.

    Raises:
        ValueError: a number that is not positive; embeddings of another width.
    """

    prevents_collapse = True
    directed = True

    def __init__(self, width: int, size: int, temperature: float) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature={temperature}: expected a positive number")
        self.queue, self.temperature = Queue(size, width), temperature

    @property
    def presumes(self) -> tuple[str, int]:
        """The queue's width."""
        return "width", self.queue.rows.shape[1]

    def remember(self, said: Tensor) -> None:
        """Put what the teacher said into the queue."""
        if self.training:
            self.queue.push(said)
