"""How many directions a layer needs, found by training: maps of low rank that are to do what it does."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

FLOAT32_ROUNDING = 1e-6
"""Share of what there is that is only rounding of 32 bits."""


def low_rank_errors(
    x: Float[Tensor, "N I"],
    y: Float[Tensor, "_ O"],
    ranks: Iterable[int],
    steps: int = 500,
    generator: torch.Generator | None = None,
) -> dict[int, float]:
    """Share of the variance of y that no map x A B of rank r explains, by rank.

    For y linear in x that is the tail of the singular values of y about its mean, sum_{i>r} s^2 / sum s^2 (Eckart and
    Young 1936), and what is trained comes to rest there: the loss has no other minimum (Baldi and Hornik 1989). What
    is not linear in x remains at any rank. A tail below a hundredth takes more steps to reach.

    Args:
        x: what went into a layer, one row a sample or a place.
        y: what came out, of the same rows.
        ranks: r, each at least 1.
        steps: of L-BFGS, at most.
        generator: of the first A and B; None: the global one.

    Raises:
        ValueError: a rank below 1; rows that do not belong together; y that does not vary.

    >>> x, seed = torch.randn(200, 16), torch.Generator().manual_seed(0)
    >>> y = x @ torch.randn(16, 3) @ torch.randn(3, 16)
    >>> [error < 1e-3 for error in low_rank_errors(x, y, [2, 3], generator=seed).values()]
    [False, True]
    """
    ranks = list(ranks)
    if len(x) != len(y):
        raise ValueError(f"expected x and y of the same samples, got {len(x)} and {len(y)} rows")
    if min(ranks, default=1) < 1:
        raise ValueError(f"expected ranks of at least 1, got {ranks}")
    x, y = (part.detach().double().cpu() for part in (x, y))
    size = y.norm()
    x, y = x - x.mean(0), y - y.mean(0)
    if y.norm() <= FLOAT32_ROUNDING * size:
        raise ValueError("expected y that differs between its rows, got a constant: no rank explains a part of it")
    span, s, _ = torch.linalg.svd(x, full_matrices=False)
    span = span[:, s > FLOAT32_ROUNDING * s[0]]  # x decorrelated, which reaches the same y sooner
    target = span.T @ (y / y.norm())
    beyond = 1 - float(target.square().sum())
    return {rank: beyond + _trained(target, rank, steps, generator) for rank in ranks}


def low_rank_tail(y: Float[Tensor, "N O"], rank: int) -> float:
    """The least that a map of rank r can leave of the variance of y, by its singular values.

    >>> low_rank_tail(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 1)
    0.2
    """
    squares = torch.linalg.svdvals((y - y.mean(0)).detach().double().cpu()).square()
    return float(squares[rank:].sum() / squares.sum())


def _trained(target: Tensor, rank: int, steps: int, generator: torch.Generator | None) -> float:
    """What a product of two factors leaves of the square of a matrix after training."""
    shapes = (len(target), rank), (rank, target.shape[1])
    a, b = (torch.randn(shape, generator=generator).double() for shape in shapes)
    a.div_(len(target) ** 0.5).requires_grad_()
    b.mul_(target.square().mean().sqrt()).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [a, b],
        max_iter=steps,
        max_eval=3 * steps,
        history_size=20,
        tolerance_grad=1e-7,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (target - a @ b).square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # pyright: ignore[reportArgumentType]
    return float((target - a @ b).detach().square().sum())
