"""Embeddings of the short strings that end at each symbol."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

PRIME = 2**31 - 1  # products of two numbers below it fit 63 bits
BASE = 1_103_515_245


def ngram_buckets(symbols: Int64[Tensor, "B L"], longest: int, buckets: int) -> Int64[Tensor, "B G L"]:
    """Bucket of the 2-, 3-, ... ``longest``-gram that ends at each symbol, by a rolling hash.

    Before the first symbol stands a constant that is no symbol.

    >>> ngram_buckets(torch.tensor([[7, 8, 7, 8]]), 2, 1000)[0, 0, 1::2].unique().numel()
    1
    """
    length = symbols.shape[1]
    padded = F.pad(symbols + 1, (longest - 1, 0))
    code, power, found = symbols + 1, 1, []
    for back in range(1, longest):
        power = power * BASE % PRIME
        start = longest - 1 - back
        code = (code + power * padded[:, start : start + length]) % PRIME
        found.append(code % buckets)
    return torch.stack(found, dim=1)


def ngram_rows(symbols: Int64[Tensor, "B L"], longest: int, buckets: int) -> Int64[Tensor, "B G L"]:
    """Likewise the rows of one table, in which the buckets of each length follow those of the one before."""
    first = torch.arange(longest - 1, device=symbols.device) * buckets
    return ngram_buckets(symbols, longest, buckets) + first.unsqueeze(1)


class NGrams(nn.Module):
    """Sum of the embeddings of hashed n-grams (Byte Latent Transformer, arXiv 2412.09871; fastText, 1607.04606).

    Args:
        longest: length of the longest n-gram; the shortest has 2 symbols.
        buckets: rows of the table for n-grams of one length; those that share a row are one.
        width: width of the embeddings.

    Raises:
        ValueError: no n-gram; no bucket.
    """

    def __init__(self, longest: int, buckets: int, width: int) -> None:
        super().__init__()
        if longest < 2 or buckets < 1:
            raise ValueError(f"n-grams need a length from 2 and a bucket, got ngrams={longest}, buckets={buckets}")
        self.longest, self.buckets = longest, buckets
        self.table = nn.EmbeddingBag((longest - 1) * buckets, width, mode="sum")
        nn.init.normal_(self.table.weight, std=(longest - 1) ** -0.5)

    def rows(self, symbols: Int64[Tensor, "B L"]) -> Int64[Tensor, "B G L"]:
        """Rows of the table that belong to the n-grams that end at each symbol, one a length."""
        return ngram_rows(symbols, self.longest, self.buckets)

    def forward(self, rows: Int64[Tensor, "*places G"]) -> Float[Tensor, "*places D"]:
        """Summed embeddings of rows."""
        return self.table(rows.flatten(0, -2)).unflatten(0, rows.shape[:-1])
