"""Optimisers by name, and what their steps add."""

from __future__ import annotations

import torch
from helpers.graph_kinds import composed
from helpers.paths import CONF
from torch import nn

from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.optim.rules import make_recipe

NAMES = sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml"))


def recipe(name: str, *overrides: str) -> Recipe:
    return make_recipe(composed(f"optimizer={name}", *overrides)["optimizer"])


class Mixture(nn.Module):
    """One parameter of each kind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(24, 16)
        self.conv = nn.Conv2d(8, 16, 3)
        self.table = nn.Embedding(12, 16)
        self.token = nn.Parameter(torch.randn(6, 16))
        for parameter in self.parameters():
            parameter.grad = torch.randn_like(parameter)


def moved(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What a step adds to each parameter."""
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser.step()
    return {name: p.detach() - before[name] for name, p in model.named_parameters()}
