"""Generators of numbers that shapes follow from."""

from __future__ import annotations

from unittest.mock import Mock

import torch

from ssl_pipeline.structures import random


def test_shapes_are_drawn_on_the_processor(monkeypatch):
    """A generator of another device is stood for by one with its state, and moves on."""
    here = torch.Generator().manual_seed(1)
    assert random.on_processor(here) is here
    state = torch.Generator().manual_seed(2)
    far = Mock(spec=torch.Generator, device=torch.device("cuda"), get_state=state.get_state)
    monkeypatch.setattr(random.torch, "rand", lambda *size, generator, device: torch.randperm(9, generator=state))
    one, two = random.on_processor(far), random.on_processor(far)
    state.manual_seed(2)
    assert one.device.type == "cpu"
    assert random.on_processor(far).initial_seed() == one.initial_seed() != two.initial_seed()
