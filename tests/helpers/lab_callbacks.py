"""Callbacks of the laboratory by name, and graphs that they leave alone."""

from __future__ import annotations

from helpers.cases import CALLBACKS
from torch import nn

from ssl_pipeline.lab.layers import InverseDeltaLinear

NAMES = [f"{case.name}-{i}" for i, case in enumerate(CALLBACKS)]


def untouched(module: nn.Module) -> bool:
    return not any(part._forward_hooks or isinstance(part, InverseDeltaLinear) for part in module.modules())
