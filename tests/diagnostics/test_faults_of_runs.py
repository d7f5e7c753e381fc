"""Short runs with a planted fault, which the diagnostics name."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import math

import pytest
from helpers.small_models import CONV
from torch import nn

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import MemoryDataset, digits
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.training import run


class Plain(Encoder):
    """Linear maps and ReLUs, and nothing that protects what passes them.

    Args:
        depth: maps.
        narrow: number of a map whose weights have rank 2; None for none.
        norm: batch statistics behind each map.
        residual: links around each map.
    """

    sees_masked = True

    def __init__(self, *, depth=10, width=64, narrow=None, norm=False, residual=False):
        super().__init__()
        self.width = self.embedding_width = width
        self.residual = residual
        self.depth_of_maps, self.narrow, self.normed = depth, narrow, norm

    def setup(self, grid, views):
        depth, width, narrow, norm = self.depth_of_maps, self.width, self.narrow, self.normed
        self.dense_shape = (1,) * grid.ndim
        sizes = [math.prod(grid.shape) * grid.width, *[width] * depth]
        self.maps = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) if norm else nn.Identity() for _ in self.maps)
        if narrow is not None:
            self.maps[narrow] = nn.Sequential(nn.Linear(width, 2), nn.Linear(2, width))

    def shape_of(self, cells):
        return self.dense_shape

    def forward(self, views, last=1):
        return {name: self._one(view.x.flatten(1)) for name, view in views.items()}

    def _one(self, x):
        for i, (layer, norm) in enumerate(zip(self.maps, self.norms, strict=True)):
            y = norm(layer(x)).relu()
            x = x + y if self.residual and i else y
        return Latent(x[:, None], x, dense_shape=self.dense_shape)


def pretrain(folder, *overrides, data=None, **options):
    """A run with the plain encoder, and its folder."""
    fixed = [
        "decoder=cross_attention",
        "decoder.width=32",
        "decoder.heads=2",
        "decoder.depth=1",
        "hardware.precision=32-true",
    ]
    config = compose(
        [*fixed, "probe=none", "batch_size=64", "diagnostics.every=20", "trainer.max_steps=60", *overrides]
    )
    config["encoder"] = {"_target_": f"{__name__}.Plain", **options}
    if data is not None:
        config["data"] = {"_target_": f"{__name__}.{data}"}
    return run(config | {"trust": [__name__]}, str(folder))


def numbers_of(folder, kind):
    """The last ones, by the rest of their names."""
    found = {}
    with (folder / "diagnostics.csv").open() as file:
        for row in csv.DictReader(file):
            if row["name"].startswith(f"{kind}/"):
                found[row["name"].removeprefix(f"{kind}/")] = float(row["value"])
    return found


def warned(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: step")]


@pytest.mark.slow
def test_vanishing_information_is_named(tmp_path, capsys):
    pretrain(tmp_path / "plain", "corruption=noise", "optimizer.lr=1e-4", depth=10)
    (said,) = [line for line in warned(capsys) if "encoder" in line.partition(":")[2].partition(",")[0]]
    share = numbers_of(tmp_path / "plain", "share")
    lost = next(name for name, value in share.items() if "encoder" in name and value < 1e-3)
    assert f"from {lost.removeprefix('noise/')} on" in said and "residual links" in said
    assert share["noise/encoder.maps.0"] > 0.1
    pretrain(tmp_path / "residual", "corruption=noise", "optimizer.lr=1e-4", depth=10, residual=True)
    assert not [line for line in warned(capsys) if "depends on the sample" in line and "encoder" in line]


def one_and_the_same():
    """A data set whose clean samples do not differ, so that nothing of the input need be known: a constant label."""
    data = digits()
    return dataclasses.replace(
        data, train=MemoryDataset(data.train[range(1)].x.expand(256, 1, 8, 8).clone()), test=None
    )


def test_a_constant_label_is_named(tmp_path, capsys):
    pretrain(
        tmp_path, "corruption=noise", "optimizer.lr=3e-3", "trainer.max_steps=200", depth=3, data="one_and_the_same"
    )
    said = "\n".join(warned(capsys))
    assert "from decoders.clean" in said or "from encoder.maps" in said
    assert "a loss that needs the input" in said


def test_a_bottleneck_is_named(tmp_path, capsys):
    pretrain(tmp_path, "corruption=noise", depth=3, narrow=1)
    said = [line for line in warned(capsys) if "effective rank" in line]
    assert len(said) == 1 and "encoder.maps.1.0 lets of noise pass an effective rank of " in said[0]
    assert "widen it" in said[0]
    rank = numbers_of(tmp_path, "rank")
    assert rank["noise/encoder.maps.1.1"] < 2.1 < 8 < rank["noise/encoder.maps.0"]


def test_activations_that_jump_with_the_batch_are_named(tmp_path, capsys):
    pretrain(tmp_path, "corruption=noise", depth=10, norm=True)
    said = [line for line in warned(capsys) if "other samples of the batch" in line]
    jump = numbers_of(tmp_path, "jump")
    assert len(said) == 1 and "norm=group" in said[0] and "encoder.maps." in said[0]
    assert jump["noise/encoder.maps.0"] == 0 < jump["noise/encoder.maps.1"] < jump["noise/encoder.maps.9"]


def test_a_dead_loss_is_named(tmp_path, capsys):
    words = ["corruption=crop+crop", "objective=reconstruct+info_nce", "objective.info_nce.weight=1e-9"]
    run(compose([*CONV, *words, *FAST]), str(tmp_path))
    (said,) = [line for line in warned(capsys) if "teaches the encoder nothing" in line]
    assert "info_nce/crop_1~crop_2 teaches" in said and "raise its weight" in said


FAST = ["batch_size=64", "diagnostics.every=20", "probe=none", "trainer.max_steps=60"]


def test_an_alarm_of_a_layer_can_end_the_run(tmp_path):
    with pytest.raises(ValueError, match=r"encoder\.maps\.1\.0 lets of noise pass .*widen it"):
        pretrain(tmp_path, "corruption=noise", "diagnostics.on_alarm=stop", depth=3, narrow=1)


@pytest.mark.parametrize("samples", [2, 3])
def test_a_look_at_very_few_samples(samples, tmp_path):
    run(compose([*CONV, *FAST, "corruption=mask+noise", f"diagnostics.samples={samples}"]), str(tmp_path))
    shares = numbers_of(tmp_path, "share")
    assert shares and all(0 <= share <= 1 for share in shares.values())


@pytest.mark.slow
def test_early_words_are_no_fault(tmp_path, capsys):
    """A decoder of symbols first learns how frequent each is, which is the same for all samples."""
    words = ["experiment=bert", "encoder.width=32", "encoder.depth=1", "encoder.heads=2", "decoder.width=32"]
    words += ["decoder.depth=1", "decoder.heads=2", "data.windows.stride=128", "batch_size=32"]
    run(compose([*words, "probe=none", "diagnostics.every=20", "trainer.max_steps=60"]), str(tmp_path))
    assert warned(capsys) == []
