"""What a run says of numbers that are none, of memory, and of data that have changed."""

from __future__ import annotations

import os
import re
import sys

import pytest
import torch
from helpers.build import build
from helpers.processes import in_two_processes
from helpers.runs import SMALL, TINY, step_of

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, MemoryDataset, digits
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks.finite import first_not_finite
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.torch_errors import machine_error
from ssl_pipeline.utils.checkpoints import LAST


def spoiled():
    """Numbers, and one sample among them that holds none."""
    x = digits().train[range(1280)].x.float() / 16
    x[700] = float("nan")
    return Data(GridSpec.of(("y", 8), ("x", 8), channels=1), MemoryDataset(x), None, None, "spoiled")


def test_a_sample_that_is_no_number_is_named(tmp_path, monkeypatch):
    config = compose(
        [*TINY, "trainer.max_steps=30", "checkpoint.every_n_steps=1", "batch_size=64", "diagnostics.every=0"]
    )
    config["data"] = {"_target_": f"{__name__}.spoiled"}
    with pytest.raises(ValueError, match="spoiled holds samples that are not finite"):
        run(config | {"trust": [__name__]}, str(tmp_path / "refused"))
    monkeypatch.setattr("ssl_pipeline.training.graphs.statistics", lambda *_: (torch.zeros(1), torch.ones(1)))
    with pytest.raises(ValueError) as caught:
        run(config | {"trust": [__name__]}, str(tmp_path))
    said = str(caught.value)
    step = int(re.search(r"at step (\d+)", said)[1])
    assert "the loss is nan" in said and "views is the first that gives it" in said and "reconstruct/" in said
    assert step_of(tmp_path / "checkpoints" / LAST) == step - 1  # and that one is good
    assert all(torch.isfinite(value).all() for value in read_weights(tmp_path).values())


def test_the_layer_that_gives_no_number_is_named():
    data = digits()
    graph, batch = build(compose(SMALL), data.grid), data.train[range(8)]
    assert first_not_finite(graph, batch, seed=0, step=0) is None
    graph.encoder.stages[1][0].conv2.weight.data[0] = float("inf")
    assert first_not_finite(graph, batch, seed=0, step=0) == "encoder.stages.1.0.conv2"


def test_memory_and_readers():
    said = str(
        machine_error(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0"), "resume=x")
    )
    assert "did not suffice (2.00 GiB more were asked for): lower batch_size" in said
    text = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
    assert "lower batch_size" in str(machine_error(RuntimeError(text), "resume=x"))
    gone = "[../third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1234"
    assert "another process of this run is lost" in str(machine_error(RuntimeError(gone), "resume=x"))
    one = "Expected more than 1 value per channel when training, got input size torch.Size([1, 512])"
    assert "raise batch_size to two or more on each device" in str(machine_error(ValueError(one), "resume=x"))
    assert machine_error(RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "resume=x") is None


def test_data_that_have_changed_are_refused(tmp_path, monkeypatch):
    config = compose([*TINY, "trainer.max_steps=3", "batch_size=32"])
    kept = {"count": 100}

    def some():
        return Data(digits().grid, MemoryDataset(digits().train[range(kept["count"])].x), None, None, "some")

    monkeypatch.setattr(sys.modules[__name__], "some", some, raising=False)
    some.__module__, some.__qualname__ = __name__, "some"
    config |= {"data": {"_target_": f"{__name__}.some"}, "trust": [__name__]}
    run(config, str(tmp_path))
    kept["count"] = 99
    again = config | {"resume": str(tmp_path), "trainer": config["trainer"] | {"max_steps": 5}}
    with pytest.raises(ValueError, match="some has 99 training samples, and had 100 when this run began"):
        run(again, "")
    kept["count"] = 100
    assert run(again, "")["steps"] == 5


def _one_spoiled(rank, queue, config, folder):
    os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", NODE_RANK="0")
    original = PretrainModule.training_step

    def step(self, *args):
        losses = original(self, *args)
        spoiled = rank == 1 and self.trainer.global_step == 5
        return {name: value * float("nan") for name, value in losses.items()} if spoiled else losses

    PretrainModule.training_step = step
    try:
        run(config, folder)
    except ValueError as error:
        queue.put((rank, str(error)))


@pytest.mark.slow
def test_a_loss_that_is_no_number_on_one_rank_ends_both_before_they_save(tmp_path):
    config = compose([*TINY, "hardware=ddp_cpu", "trainer.max_steps=9", "checkpoint.every_n_steps=3"])
    (_, first), (_, second) = in_two_processes(_one_spoiled, config, str(tmp_path))
    assert first.startswith("the loss of another process is no number at step 6: lower optimizer.lr")
    assert second.startswith("the loss is nan at step 6") and "the last good checkpoint is last.ckpt" in second
    assert step_of(tmp_path / "checkpoints" / LAST) == 3
