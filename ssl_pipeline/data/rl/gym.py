"""Experience of any Gymnasium environment, acted in at random and kept in Arrow files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.cache.folder import cache_folder, whole_or_nothing
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.options import CacheFolder, Options
from ssl_pipeline.data.rl.experience import Episodes, bounds, experience
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.utils.extras import require

_VERSION = 3  # of the files: raise it when the same options come out differently


@register("data", "gym", settled={"cache.folder": None}, imports=("env", "options"))
def gym(
    env: str,
    observation: str = "state",
    size: int = 32,
    channels: int = 3,
    episodes: int = 200,
    length: int = 100,
    hold: int = 1,
    steps: int = 5,
    test: float | int = 0.1,
    seed: int = 0,
    options: dict[str, Any] | None = None,
    cache: CacheFolder | Options = CacheFolder(),
) -> Data:
    """Episodes of an environment in which each action is drawn at random; rolled out once, then found again.

    Args:
        env: its name, such as ``CartPole-v1``; one of a package that registers its own as ``PACKAGE:NAME``.
        observation: "state" for the numbers, choices or pictures that the environment gives; "pixels" for what it
            renders.
        size: height and width of pictures.
        channels: of pictures, 1 (grey) or 3.
        episodes: number of them.
        length: steps of each, at most.
        hold: steps for which a random action is kept.
        steps: that follow each other in a sample.
        test: share of the episodes that is held out.
        seed: of the environment and of the actions.
        options: further ones of the environment.
        cache: where the Arrow files are kept.

    Raises:
        ModuleNotFoundError: Gymnasium, or what the environment needs, is not installed.
        ValueError: there is no such environment, or its observations or actions are of a kind that has no grid.
    """
    for package in ("gymnasium", "datasets"):
        require(package, "world", "data=gym")
    cache = CacheFolder.of(cache)
    if observation not in ("state", "pixels"):
        raise ValueError(f"expected observation to be state or pixels, got {observation!r}")
    if min(episodes, length, hold) < 1:
        raise ValueError(f"expected at least 1 episode, step and hold, got {episodes}, {length} and {hold}")
    with _world(env, observation, options or {}) as world:
        pictures = observation == "pixels" or _is_pictures(world.observation_space, env)
        pixels = Pixels(size, channels) if pictures else None
        seen, done = world.observation_space, world.action_space
        action = _grid(done, f"actions of {env}")
        grid = pixels.grid if pixels is not None else _grid(seen, f"observations of {env}")
        asked = [_VERSION, env, observation, size, channels, episodes, length, hold, seed, options]
        name = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:20]
        place = cache_folder(cache.folder) / f"gym-{name}"
        with whole_or_nothing(place) as folder:
            if folder is not None:
                _write(folder, _steps(world, observation, pixels, episodes, length, hold, seed))
    rolled = _read(place, grid, action, pixels is not None)
    if pixels is None and not grid.discrete:
        grid = replace(grid, range=bounds(rolled.observation))  # that of speeds and their like is often without end
    return experience(env, rolled, grid, action, steps, test, seed, codec=pixels)


@contextmanager
def _world(env: str, observation: str, options: dict[str, Any]) -> Iterator[Any]:
    import gymnasium

    try:
        shown = {"render_mode": "rgb_array"} if observation == "pixels" else {}
        try:
            world = gymnasium.make(env, **{**shown, **options})
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise ValueError(f"data.env={env!r} does not take these options: {error}") from None
        try:
            yield world
        finally:
            world.close()
    except gymnasium.error.DependencyNotInstalled as error:
        raise ModuleNotFoundError(f"{env} needs more than Gymnasium: {error}") from None
    except gymnasium.error.Error as error:
        raise ValueError(f"data.env={env!r} cannot be made: {' '.join(str(error).split())}") from None


def _is_pictures(space: Any, env: str) -> bool:
    """Whether observations are pictures of 8 bits, (H, W), (H, W, 1) or (H, W, 3).

    Raises:
        ValueError: they are such ones of other channels, or several.
    """
    if type(space).__name__ != "Box" or space.dtype != np.uint8 or len(space.shape) < 2:
        return False
    if len(space.shape) > 3 or (len(space.shape) == 3 and space.shape[2] not in (1, 3)):
        raise ValueError(
            f"observations of {env} are of shape {space.shape}, and pictures have (H, W), (H, W, 1) or (H, W, 3): "
            f"take data.observation=pixels, or wrap the environment"
        )
    return True


def _grid(space: Any, what: str) -> GridSpec:
    """Of a space of numbers, whatever their shape, or of some choices.

    Raises:
        ValueError: another kind of space.
    """
    kind = type(space).__name__
    if kind == "Discrete":
        return GridSpec.of(("component", 1), vocab=int(space.n))
    if kind == "MultiBinary" or (kind == "MultiDiscrete" and len(set(space.nvec.flatten())) == 1):
        count = 2 if kind == "MultiBinary" else int(space.nvec.flatten()[0])
        return GridSpec.of(("component", int(np.prod(space.shape))), vocab=count)
    if kind != "Box":
        raise ValueError(f"{what} are a {kind}, which has no grid: flatten them by gymnasium.wrappers, or take another")
    low, high = float(space.low.min()), float(space.high.max())
    size = int(np.prod(space.shape))
    return GridSpec.of(("component", size), channels=1, range=(low, high) if max(-low, high) < 1e30 else (-1.0, 1.0))


def _steps(
    world: Any, observation: str, pixels: Pixels | None, episodes: int, length: int, hold: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Each step: what is seen, what is done, what it gives; choices are counted from 0."""
    world.action_space.seed(seed)
    first, least = (getattr(space, "start", 0) for space in (world.observation_space, world.action_space))

    def seen(state: Any) -> np.ndarray:
        if observation == "state" and pixels is None:
            return (np.asarray(state, dtype=np.float32) - first).reshape(-1)
        picture = np.asarray(world.render() if observation == "pixels" else state)
        return picture_of(picture, pixels).reshape(-1)  # pyright: ignore[reportArgumentType]

    for episode in range(episodes):
        state, _ = world.reset(seed=seed + episode)
        action, over = None, False
        for step in range(length + 1):
            if action is None or step % hold == 0:
                action = world.action_space.sample()
            now, reward = seen(state), 0.0
            if step < length and not over:
                state, reward, ended, cut, _ = world.step(action)
                over, last = ended or cut, False
            else:
                last = True
            yield {
                "episode": episode,
                "observation": now,
                "action": (np.asarray(action) - least).reshape(-1),
                "reward": float(reward),
            }
            if last:
                break


def picture_of(picture: np.ndarray, pixels: Pixels) -> np.ndarray:
    """A picture (H, W) or (H, W, C) of 8 bits, squeezed into the square: nothing of it is cut off."""
    x = torch.from_numpy(np.ascontiguousarray(picture)).float()
    x = (x.unsqueeze(-1) if x.ndim == 2 else x).permute(2, 0, 1).unsqueeze(0)
    x = interpolate(x, size=(pixels.size, pixels.size), mode="bilinear", antialias=True)
    if pixels.channels == 1:
        x = x.mean(1, keepdim=True)
    elif x.shape[1] == 1:
        x = x.expand(-1, 3, -1, -1)
    return x.clamp(0, 255).round().to(torch.uint8)[0].numpy()


def _write(folder: Path, steps: Iterator[dict[str, Any]]) -> None:
    from datasets import Dataset

    rows = list(steps)
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    Dataset.from_dict(columns).save_to_disk(str(folder))


def _read(folder: Path, grid: GridSpec, action: GridSpec, pictures: bool) -> Episodes:
    from datasets import load_from_disk

    table = load_from_disk(str(folder)).with_format("numpy")[:]

    def column(name: str) -> Tensor:
        return torch.from_numpy(np.array(table[name]))

    observation = column("observation").view(-1, *(() if grid.discrete else (grid.width,)), *grid.shape)
    done = column("action").view(-1, *(() if action.discrete else (action.width,)), *action.shape)
    return Episodes(
        observation.long() if grid.discrete else observation.to(torch.uint8 if pictures else torch.float32),
        done.long() if action.discrete else done.float(),
        column("reward").float(),
        column("episode").long(),
    )
