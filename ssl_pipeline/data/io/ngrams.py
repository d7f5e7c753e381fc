"""Counts of short runs of bytes: the features of raw text that are compared with learnt ones in tables."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.structures.batch import Batch

_BUCKETS = 4096
_LONGEST = 3


class ByteGrams:
    """Runs of one to three bytes, counted in hashed buckets: ``log(1 + count)``, scaled to length 1.

    Symbols that stand for several bytes are spelt out, so that the numbers do not depend on the codec; padding, the end
    and the mask count nothing.

    Args:
        spelling: bytes of each symbol; those of a special one are empty.

    >>> grams = ByteGrams([b"a", b"b", b"ab", b""])
    >>> batch = Batch(x=torch.tensor([[0, 1, 3], [2, 3, 3]]), source=torch.arange(2))
    >>> features = grams(batch)
    >>> features.shape, torch.equal(features[0], features[1])
    (torch.Size([2, 4096]), True)
    """

    def __init__(self, spelling: Sequence[bytes]) -> None:
        self.size = torch.tensor([len(some) for some in spelling])
        self.start = self.size.cumsum(0) - self.size
        self.letters = torch.tensor(list(b"".join(spelling)))

    def __call__(self, batch: Batch) -> Float[Tensor, "B F"]:
        symbols, row = batch.x.cpu(), torch.arange(len(batch.x)).unsqueeze(1).expand(batch.x.shape)
        keep = torch.ones_like(symbols, dtype=torch.bool) if batch.valid is None else batch.valid.cpu()
        letters, row = self._spell(symbols[keep], row[keep])
        counts = torch.zeros(len(batch.x) * _BUCKETS, dtype=torch.int64)
        for n in range(1, _LONGEST + 1):
            m = len(letters) - n + 1
            if m < 1:
                break
            code = torch.full((m,), n)
            for shift in range(n):
                code = code * 257 + letters[shift : shift + m]
            # Fibonacci hashing: the upper bits of a product mix all bits of the code.
            bucket = (code * 2654435769 & 0xFFFFFFFF) >> 20
            inside = row[:m] == row[n - 1 :]
            counts += torch.bincount((row[:m] * _BUCKETS + bucket)[inside], minlength=len(counts))
        return torch.nn.functional.normalize(counts.view(-1, _BUCKETS).float().log1p_(), dim=1)

    def _spell(self, symbols: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
        size = self.size[symbols]
        first = size.cumsum(0) - size
        inside = torch.arange(int(size.sum())) - first.repeat_interleave(size)
        return self.letters[self.start[symbols].repeat_interleave(size) + inside], row.repeat_interleave(size)
