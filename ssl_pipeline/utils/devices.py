"""Devices by name."""

from __future__ import annotations

import torch


def device_of(name: str | torch.device) -> torch.device:
    """A device by name; ``auto`` is an accelerator where there is one.

    Raises:
        ValueError: no such device here.
        torch.OutOfMemoryError: it is full.

    >>> device_of("cpu")
    device(type='cpu')
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        return torch.zeros(1, device=name).device
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError):
        raise ValueError(f"device={name}: there is no such device here; take cpu or auto") from None
