"""What an agent has seen and done, episode by episode, as samples: an observation, actions, and what came next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from ssl_pipeline.data.base import ColumnSpec, Data, Index, holdout
from ssl_pipeline.data.codecs.base import Codec
from ssl_pipeline.structures.batch import Batch, Column
from ssl_pipeline.structures.grid import GridSpec


@dataclass(frozen=True)
class Episodes:
    """Steps of all episodes, one after another; the last one of each has no action that counts.

    Args:
        observation: (M, ...) like samples.
        action: (M, ...) taken after each observation.
        reward: (M,) for that action.
        episode: (M,) number, in order.
        labels: (M,) class of each observation, where there is one.
    """

    observation: Shaped[Tensor, "M ..."]
    action: Shaped[Tensor, "M ..."]
    reward: Float[Tensor, "M"]
    episode: Int64[Tensor, "M"]
    labels: Int64[Tensor, "M"] | None = None

    def starts(self, steps: int) -> Int64[Tensor, "N"]:
        """Steps after which an episode goes on for ``steps`` more."""
        last = len(self.episode) - steps
        if last <= 0:
            return torch.zeros(0, dtype=torch.int64)
        goes_on: Bool[Tensor, "K"] = self.episode[:last] == self.episode[steps:]
        return goes_on.nonzero().flatten()


class Experience:
    """Samples: ``x`` what is seen, and the columns ``action``, ``next`` and ``reward`` (B, steps, ...).

    Args:
        episodes: all steps.
        steps: that a sample holds.

    Raises:
        ValueError: no episode is so long.
    """

    def __init__(self, episodes: Episodes, steps: int) -> None:
        self.episodes, self.steps = episodes, steps
        self.starts = episodes.starts(steps)
        if steps < 1 or not len(self.starts):
            raise ValueError(f"steps={steps}: expected at least 1, and an episode of more observations than that")
        self.sources = episodes.episode[self.starts]
        self.labels = None if episodes.labels is None else episodes.labels[self.starts]

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Index) -> Batch:
        index = torch.as_tensor(index, dtype=torch.int64)
        start, episodes = self.starts[index], self.episodes
        during = start.unsqueeze(1) + torch.arange(self.steps)
        return Batch(
            x=episodes.observation[start],
            source=self.sources[index],
            label=None if self.labels is None else self.labels[index],
            columns={
                "action": Column(episodes.action[during]),
                "next": Column(episodes.observation[during + 1]),
                "reward": Column(episodes.reward[during][..., None, None]),
            },
        )


def experience(
    name: str,
    episodes: Episodes,
    grid: GridSpec,
    action: GridSpec,
    steps: int,
    test: float | int,
    seed: int,
    classes: tuple[str, ...] | None = None,
    codec: Codec | None = None,
) -> Data:
    """A data set of episodes, a share ``test`` of them held out."""
    whole = Experience(episodes, steps)
    train, test_part = holdout(whole, test, seed)
    reward = GridSpec.of(("component", 1), channels=1, range=bounds(episodes.reward))
    columns: Mapping[str, ColumnSpec] = {
        "action": ColumnSpec(action, steps=steps),
        "next": ColumnSpec(grid, steps=steps),
        "reward": ColumnSpec(reward, steps=steps),
    }
    return Data(grid, train, test_part, classes, name, codec, columns=columns)


def bounds(values: Tensor) -> tuple[float, float]:
    """The smallest and the largest value, or an interval that holds the only one."""
    low, high = values.min().item(), values.max().item()
    return low, high if high > low else low + 1.0
