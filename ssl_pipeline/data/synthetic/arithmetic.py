"""Sums whose second operand is hidden: two independent numbers, mixed by a known rule, to be taken apart again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Subset
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

_REACHES = 4
"""Times the range of the operands for which the grid has places."""


class Operation(NamedTuple):
    """How two numbers are mixed.

    Args:
        mix: operands a and b to the result r.
        places: bits of the result of operands of so many bits.
        parts: a, b and r to numbers whose bits the rule is made of, such as the carries of a sum.
    """

    mix: Callable[[Tensor, Tensor], Tensor]
    places: Callable[[int], int]
    parts: Callable[[Tensor, Tensor, Tensor], dict[str, Tensor]]


OPERATIONS = {
    "add": Operation(torch.add, lambda bits: bits + 1, lambda a, b, r: {"xor": a ^ b, "carry": a ^ b ^ r}),
    "multiply": Operation(torch.mul, lambda bits: 2 * bits, lambda a, b, r: {"xor": a ^ b, "and": a & b}),
    "xor": Operation(torch.bitwise_xor, lambda bits: bits, lambda a, b, r: {"and": a & b}),
}


class Sums(NamedTuple):
    """Samples and what they were made of."""

    x: UInt8[Tensor, "N 1 2 P"]  # the bits of a and, below them, of the result; the lowest place first
    numbers: dict[str, Int64[Tensor, "N"]]  # the pure factors a and b, and the parts of the rule


@register("data", "arithmetic")
def arithmetic(rule: str = "add", bits: int = 6, test: float | int = 0.25, seed: int = 0) -> Data:
    """Pairs (a, r) with r = a + b, a * b or a XOR b, a number a row, as bits; b is to be found, and is the label.

    Each pair of operands from 1 to 2^bits - 1 comes once, so that those held out are new sums of known numbers. The
    grid has places for operands four times as large, which stay 0 here.

    Args:
        rule: "add", "multiply" or "xor".
        bits: of an operand, 2 to 8.
        test: share of the pairs that is held out.
        seed: of the order.

    Raises:
        ValueError: another rule, or a number outside its range.

    >>> data = arithmetic("add", bits=4)
    >>> data.grid.shape, len(data.train), len(data.test)
    ((2, 7), 169, 56)
    """
    if rule not in OPERATIONS:
        raise ValueError(f"expected rule to be one of {', '.join(OPERATIONS)}, got {rule!r}")
    if not 2 <= bits <= 8 or not 0 < test < 1:
        raise ValueError(f"expected 2 to 8 bits and a share between 0 and 1 to test, got {bits} and {test}")
    sums = every_sum(rule, bits, seed)
    pairs = MemoryDataset(sums.x, labels=sums.numbers["b"])
    cut = len(pairs) - round(test * len(pairs))
    return Data(
        grid=GridSpec.of(("row", 2), ("place", sums.x.shape[-1]), channels=1),
        train=Subset(pairs, range(cut)),
        test=Subset(pairs, range(cut, len(pairs))),
        classes=tuple(str(number) for number in range(2**bits)),
        name=f"arithmetic, {rule}",
    )


def every_sum(rule: str, bits: int, seed: int) -> Sums:
    """All pairs of operands from 1 on, in the order of the data set: the training part first."""
    operand = torch.arange(1, 2**bits)
    pairs = torch.cartesian_prod(operand, operand)
    pairs = pairs[torch.randperm(len(pairs), generator=generator("cpu", seed, "arithmetic"))]
    return written(rule, bits, pairs)


def distant_sums(rule: str, bits: int, reach: int, samples: int, seed: int) -> Sums:
    """Operands beyond those of the data set, on the same grid: from half of ``reach`` times the range to the whole.

    Args:
        rule: see ``arithmetic``.
        bits: see ``arithmetic``.
        reach: 2 or 4.
        samples: number of pairs.
        seed: of the draw.

    >>> sums = distant_sums("add", bits=4, reach=2, samples=100, seed=0)
    >>> int(sums.numbers["b"].min()) >= 16, int(sums.numbers["b"].max()) < 32
    (True, True)
    """
    low, high = 2**bits * reach // 2, 2**bits * reach
    random = generator("cpu", seed, "arithmetic", reach)
    return written(rule, bits, torch.randint(low, high, (samples, 2), generator=random))


def written(rule: str, bits: int, pairs: Int64[Tensor, "N 2"]) -> Sums:
    """Pairs of operands as samples."""
    mix, places, parts = OPERATIONS[rule]
    a, b = pairs.unbind(1)
    r = mix(a, b)
    x = as_bits(torch.stack([a, r], dim=1), places(bits + _REACHES.bit_length() - 1))
    return Sums(x.mul(255).to(torch.uint8).unsqueeze(1), {"a": a, "b": b, **parts(a, b, r)})


def as_bits(numbers: Int64[Tensor, "*N"], places: int) -> Int64[Tensor, "*N P"]:
    """0 and 1, the lowest place first.

    >>> as_bits(torch.tensor([6, 1]), 3).tolist()
    [[0, 1, 1], [1, 0, 0]]
    """
    return numbers.unsqueeze(-1) >> torch.arange(places) & 1
