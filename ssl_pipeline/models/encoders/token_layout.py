"""Which places the tokens of a model from outside have, and along which axis they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import gcd, prod

from jaxtyping import Bool
from torch import Tensor

LAYOUTS = (None, "channels_first", "channels_last")


def layout_of(
    sizes: Sequence[int], others: Iterable[Sequence[int]], cells: Sequence[int], prefix: int | None = None
) -> str | None:
    """Whether a model returns (B, D, N), ``channels_first``, or (B, N, D), ``channels_last``; None: nobody can know.

    The number of tokens changes with the size of the sample, and their width does not. Where neither is seen to change,
    the first axis is that of the tokens if it alone may count patches.

    Args:
        sizes: of the two axes after that of the batch.
        others: the same of samples of other sizes, as far as the model takes them.
        cells: of the sample, along each axis.
        prefix: see ``token_grid``.

    >>> layout_of((100, 64), [(50, 64)], (400,)), layout_of((64, 100), [(64, 50)], (400,))
    ('channels_last', 'channels_first')
    >>> layout_of((100, 64), [], (400,)), layout_of((100, 100), [], (400,))
    ('channels_last', None)
    """
    for other in others:
        changed = [size != its for size, its in zip(sizes, other, strict=True)]
        if changed == [True, False]:
            return "channels_last"
        if changed == [False, True]:
            return "channels_first"
    first, second = (prefix is not None or token_grid(size, cells)[1] is not None for size in sizes)
    return "channels_last" if first and not second else None


def valid_patches(valid: Bool[Tensor, "B *cells"], shape: Sequence[int]) -> Bool[Tensor, "B N"]:
    """Which patches of a grid of patches have a cell that is no padding.

    >>> import torch
    >>> valid_patches(torch.tensor([[True, False, False, False]]), (2,))
    tensor([[ True, False]])
    """
    for axis, count in enumerate(shape, 1):
        valid = valid.unflatten(axis, (count, -1)).any(axis + 1)
    return valid.flatten(1)


def token_grid(count: int, cells: Sequence[int], prefix: int | None = None) -> tuple[int, tuple[int, ...] | None]:
    """Tokens in front, and the grid of the others, where patches with equal sides cut the cells into as many.

    Args:
        count: of all tokens.
        cells: of the sample, along each axis.
        prefix: tokens in front; None for none or one.

    Returns:
        0 and None where no such patches do and ``prefix`` is None: tokens without places.

    Raises:
        ValueError: no such patches do, and ``prefix`` is said.

    >>> token_grid(197, (224, 224)), token_grid(64, (64, 64)), token_grid(7, (64, 64))
    ((1, (14, 14)), (0, (8, 8)), (0, None))
    """
    sides = [side for side in range(1, gcd(*cells) + 1) if all(n % side == 0 for n in cells)]
    for before in (0, 1) if prefix is None else (prefix,):
        for side in sides:
            shape = tuple(n // side for n in cells)
            if prod(shape) == count - before:
                return before, shape
    if prefix is not None:
        raise ValueError(
            f"prefix={prefix} leaves {count - prefix} of {count} tokens, and no patches with equal sides cut "
            f"{tuple(cells)} cells into as many: say how many tokens come before those of the patches, or prefix=null"
        )
    return 0, None
