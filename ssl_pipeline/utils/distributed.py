"""The only place that knows of ranks; asked at call time, and right for a single process too."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def gather(x: Tensor) -> Tensor:
    """Rows of all ranks in rank order, (B, ...) to (world * B, ...), differentiable on every rank.

    The gradient is summed over ranks, so that after DDP's averaging it equals that of one process with the whole batch.
    """
    return x if world_size() == 1 else _Gather.apply(x)  # pyright: ignore[reportReturnType]


def gather_plain(x: Tensor) -> Tensor:
    """Rows of all ranks in rank order, without a gradient: for numbers that are no function of weights."""
    if world_size() == 1:
        return x
    parts = [torch.empty_like(x) for _ in range(world_size())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def mean(x: Tensor) -> Tensor:
    """Mean over ranks of tensors of one shape, without a gradient."""
    if world_size() == 1:
        return x
    x = x.clone()
    dist.all_reduce(x)
    return x / world_size()


def broadcast(x: Tensor, device: torch.device) -> Tensor:
    """Rank 0's tensor, of one shape on all ranks, back where each rank's lies.

    Args:
        x: anywhere.
        device: over which ranks speak.
    """
    if world_size() == 1:
        return x
    box = x.to(device, copy=True).contiguous()
    dist.broadcast(box, src=0)
    return box.to(x.device)


def broadcast_float(value: float, device: torch.device) -> float:
    """Rank 0's value."""
    if world_size() == 1:
        return value
    box = torch.tensor(value, dtype=torch.float64 if device.type == "cpu" else torch.float32, device=device)
    dist.broadcast(box, src=0)
    return box.item()


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether the flag is set on some rank."""
    return bool(largest(int(flag), device))


def largest(number: int, device: torch.device) -> int:
    """The largest of all ranks' numbers."""
    if world_size() == 1:
        return number
    box = torch.tensor(number, device=device)
    dist.all_reduce(box, dist.ReduceOp.MAX)
    return int(box.item())


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gather_plain(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient.chunk(world_size())[rank()]
