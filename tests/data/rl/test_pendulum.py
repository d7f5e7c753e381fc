"""A pendulum that is pushed: what it does, and what is seen of it."""

from __future__ import annotations

from math import pi

import pytest
import torch

from ssl_pipeline.data.rl.pendulum import Pendulum, pushes


def test_the_pendulum_keeps_its_energy_when_nothing_pushes_it():
    body = Pendulum(torch.tensor([2.0, -1.0]), torch.zeros(2))

    def loss(body):
        return body.speed.square() / 6 + 5 * body.angle.cos()

    before = loss(body)
    for _ in range(40):
        body = body.moved(torch.zeros(2))
        assert (loss(body) - before).abs().max() < 1.0  # of 10 from hanging to standing; Euler's steps are rough
    assert body.speed.abs().min() > 0


def test_what_is_seen_of_the_pendulum():
    upright = Pendulum(torch.tensor([0.0]), torch.tensor([4.0]))
    assert upright.observed("state").flatten().tolist() == [1.0, 0.0, 0.5]
    now, before = upright.observed("pixels")[0]
    assert now[:12].float().sum() > 10 * now[13:].float().sum() and not torch.equal(now, before)
    assert Pendulum(torch.tensor([2 * pi + 0.1]), torch.zeros(1)).upright.item() == pytest.approx(0.1, abs=1e-5)


def test_pushes_last():
    same = pushes(50, 100, torch.Generator().manual_seed(0)).diff(dim=1) == 0
    assert 0.7 < same.float().mean() < 0.9
