"""The change of a layer's input that is asked for by the gradient, by its sign, or by the inverse of the layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.lab.layers import damped_inverse


class DeltaAgreement(NamedTuple):
    """Of two directions, mean of the samples."""

    sign: float  # share of the numbers in which both have the same sign, from 0 to 1
    cosine: float


def delta_agreement(a: Float[Tensor, "B D"], b: Float[Tensor, "B D"]) -> DeltaAgreement:
    """How far two deltas agree; rows in which one is 0 are left out, and nan where none is left.

    >>> found = delta_agreement(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, -2.0]]))
    >>> found.sign, round(found.cosine, 2)
    (0.5, -0.6)
    """
    some = a.any(1) & b.any(1)
    a, b = a[some], b[some]
    return DeltaAgreement(float((a.sign() == b.sign()).float().mean()), float(torch.cosine_similarity(a, b).mean()))


def deltas(dy: Float[Tensor, "B O"], weight: Float[Tensor, "O I"], damping: float = 0.1) -> dict[str, Tensor]:
    """The change of the input (B, I) of y = W x that a gradient dy asks for: ``gradient``, ``sign``, ``mapped``.

    The last is the shortest change of x that changes y by dy, damped; see ``layers.damped_inverse``.
    """
    gradient = dy.float() @ weight.detach().float()
    return {"gradient": gradient, "sign": gradient.sign(), "mapped": dy.float() @ damped_inverse(weight, damping)}


def delta_agreements(
    net: nn.Module, x: Tensor, loss: Callable[[Tensor], Tensor], damping: float = 0.1
) -> dict[str, dict[tuple[str, str], DeltaAgreement]]:
    """How far gradient, sign and mapped delta agree at the input of each linear layer, for the gradient that comes in.

    Args:
        net: any module; its gradients are left as they are.
        x: its input.
        loss: a number made of its output.
        damping: of the mapped delta.

    Returns:
        By name of the layer and pair of ``deltas``; layers that the loss does not reach are left out.

    >>> net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> found = delta_agreements(net, torch.randn(16, 8), lambda y: y.square().mean())
    >>> found["2"]["gradient", "sign"].sign
    1.0
    """
    layers = {name: part for name, part in net.named_modules() if isinstance(part, nn.Linear)}
    outputs: dict[str, Tensor] = {}

    def hook(name: str) -> Callable[..., Tensor]:
        def keep(layer: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
            if output.requires_grad:
                outputs[name] = output
            return output.clone()  # what comes next may write into it

        return keep

    hooks = [layer.register_forward_hook(hook(name)) for name, layer in layers.items()]
    try:
        with torch.enable_grad():
            value = loss(net(x))
            gradients = torch.autograd.grad(value, [*outputs.values()], allow_unused=True)
    finally:
        for handle in hooks:
            handle.remove()
    asked = {
        name: deltas(dy.flatten(0, -2), layers[name].weight, damping)
        for name, dy in zip(outputs, gradients, strict=True)
        if dy is not None
    }
    return {name: agreements(some) for name, some in asked.items()}


def agreements(some: Mapping[str, Tensor]) -> dict[tuple[str, str], DeltaAgreement]:
    """Of each pair of deltas (B, D)."""
    return {(a, b): delta_agreement(some[a], some[b]) for a, b in combinations(some, 2)}
