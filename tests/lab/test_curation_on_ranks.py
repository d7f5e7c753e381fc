"""Two processes score samples as one does, and draw the same order."""

from __future__ import annotations

import os

import pytest
import torch
from helpers.build import build
from helpers.curation import JUNK, SMALL, STILL
from helpers.processes import in_two_processes

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, digits, junk
from ssl_pipeline.lab.curation import Curator, score_samples
from ssl_pipeline.training import run
from ssl_pipeline.training.module import PretrainModule


def _rate_as_rank(rank, queue):
    _, loss, z = _rating()
    queue.put((rank, loss.tolist(), z.sum(1).tolist()))  # little enough for a pipe that is read in the end


def _rating() -> tuple[Data, torch.Tensor, torch.Tensor]:
    data = junk(digits(), samples=150)
    torch.manual_seed(0)
    words = ["corruption=crop+crop", "objective=info_nce", "encoder.widths=[8,16]"]
    loss, z = score_samples(build(compose(words), data.grid, [0.3], [0.3]).eval(), data.train, 32, seed=0)
    return data, loss, z


@pytest.mark.slow
def test_two_processes_score_as_one_does():
    """Seven chunks, so that the second rank gets one more than there are; contrast sees its own chunk alone."""
    first, second = in_two_processes(_rate_as_rank)
    assert first[1:] == second[1:]
    data, loss, z = _rating()
    assert len(loss) == len(data.train) == 214 and loss.std() > 0
    torch.testing.assert_close(torch.tensor(first[1]), loss)
    torch.testing.assert_close(torch.tensor(first[2]), z.sum(1), rtol=1e-4, atol=1e-4)


def _train_as_rank(rank, queue, config, folder):
    os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", NODE_RANK="0")
    orders = []
    scored = Curator.update

    def watched(self, *args):
        values = scored(self, *args)
        orders.append(self.order(len(orders)).tolist())
        return values

    Curator.update = watched
    PretrainModule.on_train_end = lambda self: torch.save(self.graph.state_dict(), f"{folder}/rank_{rank}.pt")
    run(config, folder)
    queue.put((rank, orders))


@pytest.mark.slow
def test_two_processes_draw_the_same_order_and_go_on_in_one(tmp_path):
    config = compose([*SMALL, *JUNK, *STILL, "hardware=ddp_cpu", "trainer.max_epochs=3", "hardware.precision=32-true"])
    (_, first), (_, second) = in_two_processes(_train_as_rank, config, str(tmp_path))
    assert first == second and len(first) == 4
    assert len(set(first[-1])) < 0.95 * len(first[-1])  # some come twice
    a, b = (torch.load(tmp_path / f"rank_{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a if "running" not in name and "num_batches" not in name)
    summary = run(compose([f"resume={tmp_path}", "hardware=cpu", "trainer.max_epochs=4"]), "elsewhere")
    assert summary["steps"] == 16
