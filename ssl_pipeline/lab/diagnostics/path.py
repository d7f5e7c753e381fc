"""The spectrum of a whole path: how far, and in how many directions, small changes of the input reach its end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.func import jvp, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel


@torch.no_grad()
def path_spectrum(
    path: Callable[[Tensor], Tensor],
    x: Shaped[Tensor, "B *shape"],
    count: int = 16,
    iterations: int = 2,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "B K"]:
    """Largest singular values of the Jacobian of a path at each sample, in falling order, without the Jacobian.

    Random projections (Halko, Martinsson and Tropp 2011, arXiv 0909.4061): J Omega by forward mode spans where the
    Jacobian leads, Q^T J by reverse mode says how far. The Jacobian of a path is the product of those of its layers,
    so that a layer of rank r leaves r values above rounding. Their ``entropy_rank`` is the effective rank of the path.

    Args:
        path: a module or any function that treats samples one by one (in evaluation mode: no batch statistics, no
            dropout) and can be differentiated forward, and backward by its transpose: not what protects gradients or
            hands back inverse deltas, which are there in training only.
        x: where; floats.
        count: singular values that are wanted; K = min(count, numbers of a sample of x, numbers of one of its end).
        iterations: times that the projections are sent through J J^T, which makes close values exact.
        generator: of the projections, on the device of x; None: the global one.

    Raises:
        ValueError: symbols instead of floats; an end that is not one row a sample.

    >>> layer = torch.nn.Linear(10, 8)
    >>> s = path_spectrum(layer, torch.randn(2, 10), count=3)
    >>> bool(torch.allclose(s[0], torch.linalg.svdvals(layer.weight)[:3], rtol=1e-3))
    True
    """
    if not x.is_floating_point():
        raise ValueError(f"expected floats, got {x.dtype}: take the path from behind the embedding of symbols on")
    with sdpa_kernel(SDPBackend.MATH):  # the fused ones have no forward mode
        y, back, *_ = vjp(path, x)
        if y.ndim < 2 or len(y) != len(x):
            raise ValueError(f"expected a path from {len(x)} samples to as many rows, got {tuple(y.shape)}")
        k = min(count, x[0].numel(), y[0].numel())
        more = min(k + 8, x[0].numel(), y[0].numel())  # some to spare, as Halko et al. advise
        forth = partial(_forth, path, x)
        span = _orthonormal(vmap(forth)(torch.randn(more, *x.shape, generator=generator, device=x.device)))
        for _ in range(iterations):
            domain = _orthonormal(vmap(back)(span)[0])
            span = _orthonormal(vmap(forth)(domain))
        (rows,) = vmap(back)(span)
    return torch.linalg.svdvals(rows.flatten(2).transpose(0, 1).double())[:, :k].float()


def _forth(path: Callable[[Tensor], Tensor], x: Tensor, tangent: Tensor) -> Tensor:
    return jvp(path, (x,), (tangent,))[1]


def _orthonormal(vectors: Float[Tensor, "K B *shape"]) -> Float[Tensor, "K B *shape"]:
    """An orthonormal basis of what each sample's K vectors span."""
    q, _ = torch.linalg.qr(vectors.flatten(2).permute(1, 2, 0))
    return q.permute(2, 0, 1).reshape(vectors.shape).to(vectors.dtype)
