"""A world model of a pendulum: how far it can be followed, and whether it is enough to act by.

python scripts/probe_world.py [OVERRIDES of experiment=world_model]     # from three numbers
python scripts/probe_world.py data.observation=pixels encoder.patch=6 decoder.patch=null latent=slots latent.slots=4
python scripts/probe_world.py --run outputs/world_model/<time>           # a run that is there already
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime
from math import pi
from pathlib import Path

import torch
from torch import Tensor

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data
from ssl_pipeline.data.rl.pendulum import TORQUE, Pendulum
from ssl_pipeline.evaluation.cross_modal import relations
from ssl_pipeline.evaluation.planning import Planner
from ssl_pipeline.evaluation.rollouts import rollouts
from ssl_pipeline.report.markdown import row, table_head
from ssl_pipeline.training import run

STEPS = (1, 2, 5, 10, 20, 40)
LENGTH, LAST = 100, 50  # steps of an episode; those of its end in which it should stand


def main() -> None:
    """Train where there is no run yet, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a run to measure, instead of training")
    parser.add_argument("--episodes", type=int, default=16, help="that are acted in; 0: none")
    chosen, overrides = parser.parse_known_args()
    folder = chosen.run or Path("outputs/probe_world") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    if not chosen.run:
        quiet = ["trainer.enable_progress_bar=false", "probe=none"]
        run(compose(["experiment=world_model", *quiet, *overrides]), str(folder))
    model = sslp.load(folder)
    data: Data = build_part("data", model.config["data"])
    assert data.test is not None and not hasattr(data.test, "batches")
    followed(model, data)
    between(model, data)
    if chosen.episodes:
        acted(model, data, chosen.episodes)


def followed(model: sslp.Model, data: Data) -> None:
    """Errors by horizon."""
    found = rollouts(model.graph, data.test, max(STEPS))  # pyright: ignore[reportArgumentType]
    assert found is not None
    print(table_head("mean squared error after", *(f"{step} step{'s' * (step > 1)}" for step in STEPS)))
    names = {
        "the first observation, copied": found.copied,
        "actions of another episode": found.shuffled,
        "world model": found.error,
        "what its latents can show at all": found.seen,
    }
    for name, error in names.items():
        print(row(name, *(f"{error[step - 1]:.5f}" for step in STEPS)))
    print(flush=True)


def between(model: sslp.Model, data: Data) -> None:
    """Actions found between two observations."""
    found = relations(model.graph, data.test)  # pyright: ignore[reportArgumentType]
    print(table_head("action between two observations", "squared error, standardised"))
    for name, value in found.items():
        print(row(name.removeprefix("edge/").removeprefix("edge_without/"), f"{value:.3f}"))
    print(flush=True)


def acted(model: sslp.Model, data: Data, episodes: int) -> None:
    """From hanging to standing, at random and by plans."""
    kind = model.config["data"]["observation"]
    goal = Pendulum(torch.zeros(1), torch.zeros(1)).observed(kind)
    random = torch.Generator().manual_seed(1)
    policies: dict[str, Callable[[Pendulum], Tensor]] = {
        "at random": lambda body: (torch.rand(episodes, generator=random) * 2 - 1) * TORQUE
    }
    for by in ("seen", "latent"):
        planner = Planner(model.graph, goal, by=by, samples=64, elites=8, rounds=3)
        policies[f"planned, by what is {by}" if by == "seen" else "planned, by the distance of latents"] = (
            lambda body, planner=planner: planner.act(body.observed(kind)).flatten()
        )
    print(
        table_head("a pendulum that hangs", "mean reward", f"upright within 30 degrees, last {LAST} of {LENGTH} steps")
    )
    for name, policy in policies.items():
        reward, standing = episode(policy, episodes)
        print(row(name, f"{reward:.2f}", f"{100 * standing:.0f} %"), flush=True)


def episode(policy: Callable[[Pendulum], Tensor], count: int) -> tuple[float, float]:
    """Mean reward, and the share of the last steps in which it stands."""
    start = 0.3 * torch.randn(count, generator=torch.Generator().manual_seed(5))
    body, rewards, upright = Pendulum(pi + start, torch.zeros(count)), [], []
    for _ in range(LENGTH):
        torque = policy(body)
        rewards.append(body.reward(torque))
        body = body.moved(torque)
        upright.append(body.upright.abs() < pi / 6)
    return torch.stack(rewards).mean().item(), torch.stack(upright[-LAST:]).float().mean().item()


if __name__ == "__main__":
    main()
