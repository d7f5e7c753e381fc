"""What turns one shared encoder into n of them: each view adds an embedding of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.structures.batch import family


class ViewEmbedding(nn.Module):
    """A learned vector a corruption, and one for ``unknown``: clean input and mixtures that were never seen.

    Numbered views of one corruption (``crop_1``, ``crop_2``) share theirs. Where there is only one corruption there
    is nothing to tell apart, and where ``drop`` is 1 no name is ever seen: every input is ``unknown``.

    Args:
        views: names of the training views.
        width: length of the vectors.
        drop: share of training samples whose view is hidden, so that ``unknown`` is trained too.

    Raises:
        ValueError: ``drop`` outside [0, 1].
    """

    def __init__(self, views: Sequence[str], width: int, drop: float = 0.25) -> None:
        super().__init__()
        if not 0 <= drop <= 1:
            raise ValueError(f"view_drop={drop}: expected a share between 0 and 1")
        names = sorted({family(view) for view in views})
        self.index = {name: i for i, name in enumerate(names, 1)} if len(names) > 1 and drop < 1 else {}
        self.table = nn.Parameter(torch.zeros(len(self.index) + 1, width))
        nn.init.normal_(self.table[1:], std=0.02)
        self.drop = drop

    def no_weight_decay(self) -> set[str]:
        """The table: its rows are tokens."""
        return {"table"}

    def forward(self, view: str, batch: int) -> Float[Tensor, "B D"]:
        """Embedding of a view by name, (B, D) in training, (1, D) otherwise."""
        index = self.index.get(family(view), 0)
        if not self.training or index == 0 or self.drop == 0:
            return self.table[index : index + 1]
        known = torch.rand(batch, 1, device=self.table.device) >= self.drop
        return torch.where(known, self.table[index], self.table[0])
