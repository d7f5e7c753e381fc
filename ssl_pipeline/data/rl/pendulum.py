"""A pendulum with a weak motor: experience without a simulator to install."""

from __future__ import annotations

from math import pi
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.rl.experience import Episodes, experience
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

_GRAVITY, _SECONDS, TORQUE, _SPEED = 10.0, 0.05, 2.0, 8.0  # m/s^2; a step; N m and rad/s at most
_SIDE = 24  # pixels of a picture
_SECTORS = 8
_ACTION = GridSpec.of(("component", 1), channels=1, range=(-TORQUE, TORQUE))
_GRIDS = {
    "state": GridSpec.of(("component", 3), channels=1, range=(-1.0, 1.0)),
    "pixels": GridSpec.of(("y", _SIDE), ("x", _SIDE), channels=2),
}


class Pendulum(NamedTuple):
    """A rod of 1 m and 1 kg, hinged at its end: its angle from upright and its speed, of many at once."""

    angle: Float[Tensor, "B"]  # rad
    speed: Float[Tensor, "B"]  # rad/s

    def moved(self, torque: Float[Tensor, "B"]) -> Pendulum:
        """A step later (semi-implicit Euler).

        >>> hanging = Pendulum(torch.tensor([pi]), torch.zeros(1))
        >>> hanging.moved(torch.zeros(1)).speed.abs().item() < 1e-5
        True
        """
        push = 1.5 * _GRAVITY * self.angle.sin() + 3.0 * torque.clamp(-TORQUE, TORQUE)
        speed = (self.speed + _SECONDS * push).clamp(-_SPEED, _SPEED)
        return Pendulum(self.angle + _SECONDS * speed, speed)

    @property
    def upright(self) -> Float[Tensor, "B"]:
        """Radians from upright, -pi to pi."""
        return (self.angle + pi) % (2 * pi) - pi

    def reward(self, torque: Float[Tensor, "B"]) -> Float[Tensor, "B"]:
        """0 for standing still upright, less for all else."""
        return -(self.upright.square() + 0.1 * self.speed.square() + 1e-3 * torque.square())

    def observed(self, kind: str) -> Tensor:
        """What is seen of it: cosine, sine and speed, each up to 1, or its picture now and a step ago, in 8 bits."""
        if kind == "state":
            return torch.stack([self.angle.cos(), self.angle.sin(), self.speed / _SPEED], dim=1).unsqueeze(1)
        frames = torch.stack([draw_rod(self.angle), draw_rod(self.angle - _SECONDS * self.speed)], dim=1)
        return frames.mul(255).round().to(torch.uint8)


def draw_rod(angle: Float[Tensor, "B"], side: int = _SIDE) -> Float[Tensor, "B {side} {side}"]:
    """A white rod from the middle of a black ground."""
    line = (torch.arange(side, device=angle.device) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(-line, line, indexing="ij")
    up, right = (f.view(-1, 1, 1) for f in (angle.cos(), angle.sin()))
    reach = (y * up + x * right).clamp(0, 0.8)
    distance = ((y - reach * up).square() + (x - reach * right).square()).sqrt()
    return (1.5 - distance * side / 4).clamp(0, 1)


@register("data", "pendulum")
def pendulum(
    observation: str = "state",
    episodes: int = 400,
    length: int = 50,
    steps: int = 5,
    test: float | int = 0.1,
    seed: int = 0,
) -> Data:
    """Episodes of a pendulum that starts anywhere and is pushed at random, each push for a random number of steps.

    Labels tell which of eight sectors the rod stands in, the first being the upright one.

    Args:
        observation: "state" for three numbers, or "pixels" for two frames.
        episodes: number of them.
        length: steps of each, of 0.05 s.
        steps: that follow each other in a sample.
        test: share of the episodes that is held out.
        seed: of starts and pushes.

    Raises:
        ValueError: another observation, or episodes shorter than a sample.

    >>> data = pendulum(episodes=10, length=20, steps=2)
    >>> data.train[[0, 1]].columns["next"].x.shape
    torch.Size([2, 2, 1, 3])
    """
    if observation not in _GRIDS:
        raise ValueError(f"expected observation to be one of {', '.join(_GRIDS)}, got {observation!r}")
    if episodes < 2 or length < steps:
        raise ValueError(f"expected 2 episodes of {steps} steps or more, got {episodes} of {length}")
    random = generator("cpu", seed, "pendulum")
    body = Pendulum(
        (torch.rand(episodes, generator=random) * 2 - 1) * pi, (torch.rand(episodes, generator=random) * 2 - 1) * _SPEED
    )
    torques = pushes(episodes, length, random)
    seen, reward, label = [], [], []
    for torque in [*torques.unbind(1), torch.zeros(episodes)]:
        seen.append(body.observed(observation))
        reward.append(body.reward(torque))
        label.append(((body.upright / (2 * pi) * _SECTORS).round() % _SECTORS).long())
        body = body.moved(torque)
    action = torch.cat([torques, torch.zeros(episodes, 1)], dim=1)
    recorded = Episodes(
        torch.stack(seen, dim=1).flatten(0, 1),
        action.flatten().view(-1, 1, 1),
        torch.stack(reward, dim=1).flatten(),
        torch.arange(episodes).repeat_interleave(length + 1),
        torch.stack(label, dim=1).flatten(),
    )
    sectors = tuple(f"{360 * number // _SECTORS} degrees" for number in range(_SECTORS))
    return experience("pendulum", recorded, _GRIDS[observation], _ACTION, steps, test, seed, sectors)


def pushes(episodes: int, length: int, random: torch.Generator) -> Float[Tensor, "E L"]:
    """Torques that stay as they are for 1 to 10 steps or so, each from all that the motor can do."""
    fresh = torch.rand(episodes, length, generator=random) < 0.2
    fresh[:, 0] = True
    drawn = (torch.rand(episodes, length, generator=random) * 2 - 1) * TORQUE
    since = torch.where(fresh, torch.arange(length), -1).cummax(1).values
    return drawn.gather(1, since)
