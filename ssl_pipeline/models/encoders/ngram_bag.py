"""A text as the sum of what its short strings mean: no order, no places, one token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.layers.ngrams import ngram_rows
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec


@register("encoder", "ngram_bag")
class NGramBag(Encoder):
    """Learned embeddings of a text's symbols and hashed n-grams, summed (fastText, arXiv 1607.01759).

    One that occurs ``c`` times weighs ``log(1 + c)``, and the weights of a text have length 1 (sublinear scaling and
    cosine normalisation: Manning, Raghavan, Schütze, Introduction to Information Retrieval, 6.4). Strings in which a
    symbol is hidden do not count. The latent has one token, which covers no grid.

    Args:
        width: width D of the embeddings.
        ngrams: length of the longest string.
        buckets: rows of the table for strings of one length from 2 symbols on; those that share a row are one.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: a number below 1; a grid that is no line of symbols.

    >>> encoder = NGramBag(width=8, ngrams=2, buckets=16).bind(GridSpec.of(("symbols", 6), vocab=4), ("mask",))
    >>> encoder.embedding_width, encoder.dense_shape
    (8, None)
    """

    any_length = True
    sees_masked = False
    dense_shape = None
    vocab: int

    def __init__(self, *, width: int = 512, ngrams: int = 3, buckets: int = 4096, view_drop: float = 0.25) -> None:
        super().__init__()
        for name, value in (("width", width), ("ngrams", ngrams), ("buckets", buckets)):
            if value < 1:
                raise ValueError(f"encoder.{name}={value}: expected at least 1")
        self.width = self.embedding_width = width
        self.longest, self.buckets, self.view_drop = ngrams, buckets, view_drop

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        if grid.vocab is None or grid.ndim != 1:
            raise ValueError(
                f"encoder=ngram_bag counts strings of symbols along one axis, and this grid of axes "
                f"{', '.join(grid.names)} has none: take encoder=vit or conv"
            )
        self.vocab = grid.vocab
        self.nothing = self.vocab + (self.longest - 1) * self.buckets
        self.table = nn.EmbeddingBag(self.nothing + 1, self.width, mode="sum", padding_idx=self.nothing)
        nn.init.normal_(self.table.weight, std=self.width**-0.5)
        self.view = ViewEmbedding(views, self.width, self.view_drop)

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Texts of all lengths have one token, without a place."""
        return ()

    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name; there is one block to take tokens from."""
        return {name: self._latent(name, view) for name, view in views.items()}

    def layers(self) -> list[list[nn.Parameter]]:
        """All in one."""
        return [[*self.parameters()]]

    def _latent(self, name: str, view: View) -> Latent:
        rows, weight = self._weighed(self._rows(view.x, _seen(view)))
        # As embeddings of transformers (arXiv 1706.03762, 3.4), for learning rates that suit other encoders, too.
        z = self.table(rows, per_sample_weights=weight.to(self.table.weight.dtype)) * self.width**0.5
        z = z + self.view(name, len(z)).to(z.dtype)
        return Latent(z.unsqueeze(1), z)

    def _rows(self, symbols: Int64[Tensor, "B L"], seen: Bool[Tensor, "B L"] | None) -> Int64[Tensor, "B R"]:
        """Rows of the table for the strings that end at each symbol; of what is hidden a row that counts nothing."""
        found = [symbols]
        if self.longest > 1:
            found += (self.vocab + ngram_rows(symbols, self.longest, self.buckets)).unbind(1)
        if seen is None:
            return torch.cat(found, dim=1)
        whole, rows = seen, []
        for of_length in found:
            rows.append(torch.where(whole, of_length, self.nothing))
            whole = seen & F.pad(whole[:, :-1], (1, 0), value=True)
        return torch.cat(rows, dim=1)

    def _weighed(self, rows: Int64[Tensor, "B R"]) -> tuple[Int64[Tensor, "B R"], Float[Tensor, "B R"]]:
        """Rows in order, and a weight of each of its occurrences."""
        rows = rows.sort(1).values
        new = torch.cat([torch.ones_like(rows[:, :1]), (rows[:, 1:] != rows[:, :-1]).long()], dim=1)
        string, one = new.cumsum(1) - 1, (rows != self.nothing).float()
        count = torch.zeros_like(one).scatter_add(1, string, one).gather(1, string).clamp(min=1)
        weight = one * count.log1p() / count
        return rows, weight / (weight.square() * count).sum(1, keepdim=True).sqrt().clamp(min=1e-6)


def _seen(view: View) -> Bool[Tensor, "B L"] | None:
    """Places that are neither hidden nor padding; None for all."""
    if view.mask is None:
        return view.valid
    return ~view.mask if view.valid is None else ~view.mask & view.valid
