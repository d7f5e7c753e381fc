"""Experience of environments as samples with what was done and what came next."""

from __future__ import annotations

import pytest
import torch
from helpers.line_environment import line_environment

from ssl_pipeline.data import gym
from ssl_pipeline.data.rl.experience import Episodes, Experience


@pytest.fixture
def line():
    with line_environment():
        yield


def test_samples_follow_each_other_within_an_episode():
    episodes = Episodes(
        torch.arange(10).float().view(10, 1, 1), torch.arange(10).view(10, 1), torch.arange(10).float(),
        torch.tensor([0] * 6 + [1] * 4),
    )  # fmt: skip
    data = Experience(episodes, steps=3)
    batch = data[torch.arange(len(data))]
    assert batch.x.flatten().tolist() == [0, 1, 2, 6] and batch.source.tolist() == [0, 0, 0, 1]
    assert batch.columns["next"].x[3].flatten().tolist() == [7, 8, 9]
    assert batch.columns["action"].x[3].flatten().tolist() == [6, 7, 8]
    assert batch.columns["reward"].x.shape == (4, 3, 1, 1)
    with pytest.raises(ValueError, match="steps=6"):
        Experience(episodes, steps=6)


def test_gymnasium(tmp_path):
    pytest.importorskip("gymnasium")
    data = gym("CartPole-v1", episodes=8, length=20, steps=2, cache={"folder": tmp_path})
    again = gym("CartPole-v1", episodes=8, length=20, steps=2, cache={"folder": tmp_path})
    assert torch.equal(data.train[[0, 3]].x, again.train[[0, 3]].x)
    assert data.columns["action"].grid.vocab == 2 and data.train[[0]].columns["next"].x.shape == (1, 2, 1, 4)
    assert len(list(tmp_path.glob("gym-*/*.arrow"))) == 1
    batch = data.train[torch.arange(len(data.train))]
    follows = batch.source[1:] == batch.source[:-1]
    torch.testing.assert_close(batch.columns["next"].x[:-1, 0][follows], batch.x[1:][follows])
    with pytest.raises(ValueError, match="cannot be made"):
        gym("Nowhere-v0", cache={"folder": tmp_path})
    with pytest.raises(ValueError, match="state or pixels"):
        gym("CartPole-v1", observation="sound")


def test_choices_are_counted_from_0_and_matrices_are_numbers(line, tmp_path):
    data = gym("Line-v0", episodes=10, length=20, steps=2, cache={"folder": tmp_path})
    batch = data.train[torch.arange(100)]
    assert data.grid.vocab == 5 and batch.x.unique().tolist() == [0, 1, 2, 3, 4]
    action, follows = batch.columns["action"].x[:, 0, 0], batch.columns["next"].x[:, 0]
    assert torch.equal(follows, (batch.x + action.view(-1, 1) * 2 - 1).clamp(0, 4))
    matrix = gym("Line-v0", options={"space": "matrix"}, episodes=10, length=20, steps=2, cache={"folder": tmp_path})
    assert matrix.grid.shape == (6,) and matrix.grid.channels == 1
    with pytest.raises(ValueError, match="does not take these options"):
        gym("Line-v0", options={"spaec": "matrix"}, cache={"folder": tmp_path})
    with pytest.raises(ValueError, match=r"shape \(4, 8, 8\), and pictures have .*pixels"):
        gym("Line-v0", options={"space": "frames"}, cache={"folder": tmp_path})
