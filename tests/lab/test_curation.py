"""A model that chooses its data: what it draws, that it draws the same again, and what it makes of junk and news."""

from __future__ import annotations

import csv
import json
import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.build import build
from helpers.paths import SCRIPTS
from helpers.processes import in_two_processes

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, Subset, digits, junk
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.lab.curation import (
    Curator,
    Learnability,
    Novelty,
    bounded_weights,
    by_region,
    draw_weights,
    novelty,
    progress,
    score_samples,
)
from ssl_pipeline.training import run
from ssl_pipeline.training.module import PretrainModule

sys.path.append(str(SCRIPTS))
import probe_curation

SMALL = ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=64", "probe=none", "report.page=false"]
JUNK = ["data=junk", "data.samples=200", "corruption=mask", "sampler=learnability", "diagnostics.every=0"]
STILL = ["optimizer.warmup=0", "optimizer.final=1", "hardware.precision=32-true"]


# What a sample is worth


def test_weights_grow_with_the_score_within_their_bounds():
    score = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    weights = draw_weights(score, temperature=0.3, floor=0.1, most=4.0)
    assert weights.mean().item() == pytest.approx(1, abs=1e-4)
    assert weights.min() >= 0.1 and weights.max() <= 4.0
    assert (weights[score.argsort()].diff() >= -1e-6).all()
    assert weights[score.argmax()] > 30 * weights[score.argmin()]


def test_equal_scores_and_other_units_change_nothing():
    assert torch.allclose(draw_weights(torch.full((9,), 2.5), 0.5, 0.1, 4.0), torch.ones(9))
    score = torch.randn(50)
    a, b = (draw_weights(s, 0.5, 0.1, 4.0) for s in (score, 10 * score - 3))
    assert torch.allclose(a, b, atol=1e-4)


def test_bounds_hold_where_one_weight_is_all():
    weights = bounded_weights(torch.tensor([1e-30, 1e-30, 1e-30, 1e-30, 1e30]), 0.1, 3.0)
    assert torch.allclose(weights, torch.tensor([0.5, 0.5, 0.5, 0.5, 3.0]), atol=1e-3)


def test_what_does_not_fall_is_no_progress_however_high_it_is():
    losses = [torch.tensor([100.0, 4.0 * 0.5**k, 0.01]) for k in range(4)]  # junk, learnt, mastered
    made = torch.zeros(3)
    for before, now in pairwise(losses):
        made = progress(before, now, made, memory=0.9)
    assert made[1] > 1 and made[0] == made[2] == 0


def test_progress_with_full_memory_is_that_since_the_beginning():
    losses = torch.rand(6, 20) + 0.1
    made = torch.zeros(20)
    for before, now in pairwise(losses):
        made = progress(before, now, made, memory=1.0)
    torch.testing.assert_close(made, (losses[0] / losses[-1]).log())


def test_regions_average_what_single_samples_hide():
    noise = torch.Generator().manual_seed(0)
    kind = torch.arange(300) % 3
    z = torch.eye(3)[kind] + 0.05 * torch.randn(300, 3, generator=noise)
    value = kind.float() + 5 * torch.randn(300, generator=noise)
    found = by_region(value, z, regions=3)
    for k in range(3):
        assert torch.allclose(found[kind == k], value[kind == k].mean(), atol=1e-4)


def test_scores_go_from_round_to_round():
    curation = Learnability(regions=None, memory=1.0)
    scores = curation.first(torch.full((6,), 4.0))
    assert torch.equal(scores.weights, torch.ones(6)) and scores.rounds == 1
    scores = curation.then(scores, torch.tensor([4.0, 4.0, 4.0, 1.0, 1.0, 1.0]), None, torch.arange(6))
    assert scores.rounds == 2 and (scores.weights[:3] < 0.6).all() and (scores.weights[3:] > 1.4).all()
    with pytest.raises(ValueError, match="finite losses"):
        curation.then(scores, torch.full((6,), torch.nan), None, torch.arange(6))


@pytest.mark.parametrize(
    "options",
    [
        {"every": 0},
        {"memory": 1.5},
        {"regions": 1},
        {"temperature": 0.0},
        {"floor": 0.0},
        {"floor": 1.0},
        {"most": 1.0},
    ],
)
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(ValueError, match=f"sampler.{next(iter(options))}"):
        Learnability(**options)


# Novelty


def test_news_is_what_lies_outside_whatever_the_density():
    noise = torch.Generator().manual_seed(0)
    axes = torch.eye(16)

    def kind(axis, spread, count):
        return axes[axis] + spread * torch.randn(count, 16, generator=noise)

    seen = torch.cat([kind(0, 0.02, 300), kind(1, 0.2, 300)])  # a dense kind, and one as wide as noise
    dense, wide, new = (novelty(kind(*of, 200), seen) for of in ((0, 0.02), (1, 0.2), (2, 0.02)))
    assert dense.mean().abs() < 0.2 and wide.mean().abs() < 0.2
    assert new.min() > max(dense.mean(), wide.mean()) + 0.15
    again = kind(2, 0.02, 200)
    assert novelty(again, torch.cat([seen, again])).mean() < 0.2
    with pytest.raises(ValueError, match="k=10"):
        novelty(seen, seen[:10])


def test_novelty_prefers_what_was_not_drawn():
    kind = torch.arange(600) % 3
    z = torch.eye(16)[kind] + 0.05 * torch.randn(600, 16, generator=torch.Generator().manual_seed(0))
    curation = Learnability(regions=None, novelty=Novelty(), most=4.0)
    scores = curation.then(curation.first(torch.ones(600)), torch.ones(600), z, (kind != 0).nonzero().flatten())
    assert scores.weights[kind == 0].mean() > 2 * scores.weights[kind != 0].mean()
    assert scores.weights.mean().item() == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match=r"sampler\.novelty"):
        Novelty(k=0)


# Runs


def rated(file: Path) -> list[tuple[int, str, float]]:
    return [(int(r["step"]), r["name"], float(r["value"])) for r in csv.DictReader(file.open())]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(compose([*SMALL, *JUNK, *STILL, "trainer.max_epochs=5"]), str(folder))
    return folder


def test_a_run_says_what_it_chose(uninterrupted):
    rows = rated(uninterrupted / "curation.csv")
    steps = sorted({step for step, *_ in rows})
    assert steps == [0, 4, 8, 12, 16, 20]
    at = {(step, name): value for step, name, value in rows}
    assert at[0, "junk_share"] == pytest.approx(0.3, abs=0.03) and at[0, "effective"] > 0.85
    for step in steps:
        classes = sum(value for (s, name), value in at.items() if s == step and name.startswith("share/"))
        assert classes + at[step, "junk_share"] == pytest.approx(1, abs=1e-6)
    found = np.load(uninterrupted / "curation.npz")
    assert found["drawn"].sum() == 20 * 64 and found["weights"].mean() == pytest.approx(1, abs=1e-3)
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert 0 < summary["curation/junk_share"] < 1 and summary["curation/seconds"] > 0
    with (uninterrupted / "metrics.csv").open() as file:
        assert "curation/junk_share" in {row["name"] for row in csv.DictReader(file)}


@pytest.mark.parametrize(
    ("steps", "workers"),
    [
        pytest.param(14, 0, id="within an epoch"),
        pytest.param(14, 1, marks=pytest.mark.slow, id="within an epoch, a worker"),
        pytest.param(12, 0, marks=pytest.mark.slow, id="between epochs"),
        pytest.param(12, 1, marks=pytest.mark.slow, id="between epochs, a worker"),
    ],
)
def test_a_curated_run_goes_on_exactly(steps, workers, uninterrupted, tmp_path):
    """Also where the loader is asked for its first batches before Lightning says that an epoch begins."""
    options = [*SMALL, *JUNK, *STILL, f"hardware.workers={workers}"]
    run(compose([*options, f"trainer.max_steps={steps}"]), str(tmp_path))
    run(compose([f"resume={tmp_path}", "trainer.max_steps=20"]), "elsewhere")
    expected, got = read_weights(uninterrupted), read_weights(tmp_path)
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    without = [[row for row in rated(of / "curation.csv") if row[1] != "seconds"] for of in (uninterrupted, tmp_path)]
    assert without[0] == without[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["members_per_source=2"], "members_per_source=2 keeps some together"),
        (["hardware=fsdp"], "hardware.strategy=fsdp has shards"),
        (
            ["data=mixed", "encoder=vit", "decoder=cross_attention", "objective=reconstruct+cross_entropy"],
            "got a stream or several",
        ),
        (["corruption=crop+crop", "objective=barlow"], "which only know batches"),
    ],
)
def test_what_cannot_be_curated_is_refused(options, words, tmp_path):
    sizes = [] if "data=mixed" in options else SMALL[:2]
    more = ["probe=none", "batch_size=8", "trainer.max_steps=2", "sampler=learnability"]
    with pytest.raises(ValueError, match=words):
        run(compose([*sizes, *options, *more]), str(tmp_path))


def test_options_of_an_experiment_are_not_used_without_curation(capsys):
    assert not compose(["experiment=curated", "sampler=none"])["sampler"]
    with pytest.raises(ValueError, match=r"sampler\.evry"):
        compose(["sampler=learnability", "sampler.evry=2"])


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


@pytest.mark.slow
@pytest.mark.page
def test_the_page_shows_what_was_chosen(tmp_path):
    run(compose([*SMALL[:-1], *JUNK, "trainer.max_epochs=3"]), str(tmp_path / "curated"))
    page = (tmp_path / "curated/report.html").read_text()
    assert "The data that were chosen" in page and "drawn most and least often" in page
    run(compose([*SMALL[:-1], "trainer.max_steps=3"]), str(tmp_path / "plain"))
    assert "The data that were chosen" not in (tmp_path / "plain/report.html").read_text()


@pytest.mark.slow
def test_junk_is_drawn_less_and_probes_are_no_worse(tmp_path):
    """M35, in two seeds and few steps; the table in docs/curation.md is of more."""
    words, gains = ["hardware.precision=32-true", "data@data.of=digits", "sampler.every=2"], []
    for seed in (0, 1):
        uniform, _ = probe_curation.curated("simclr", "junk, uniform", seed, 300, tmp_path, words)
        chosen, shares = probe_curation.curated("simclr", "junk, curated", seed, 300, tmp_path, words)
        assert shares[0] == pytest.approx(0.3, abs=0.01)
        assert chosen["curation/junk_share"] < 0.25 and np.mean(shares[2:]) < 0.25
        gains.append(chosen["few_shot"] - uniform["few_shot"])
    assert np.mean(gains) > -1.0  # a seed differs by that


@pytest.mark.slow
def test_unseen_classes_are_new_and_noise_is_not():
    """M36, of SimCLR on digits; its AUROC is below 0.9 with MAE there, and on Fashion-MNIST: see the table."""
    held = [8, 9]
    data = probe_curation.known_and_junk(digits(), held, None)
    assert not torch.isin(data.clean.labels, torch.tensor(held)).any() and isinstance(data.clean, Subset)
    found = probe_curation.novel(probe_curation.trained("simclr", data, 300, 0), data, held)
    assert found.auroc > 0.9
    assert found.revisited < found.unseen / 2
    assert found.noise < found.unseen / 2


def test_losses_that_are_no_numbers_are_refused_in_every_round():
    with pytest.raises(ValueError, match="finite losses"):
        Learnability().first(torch.tensor([1.0, float("inf")]))


def test_weights_stay_within_bounds_whatever_the_factors():
    found = bounded_weights(torch.tensor([float("inf"), 1.0, 1.0, 1.0]), floor=0.2, most=1.5)
    assert found.isfinite().all() and found.mean().item() == pytest.approx(1.0, abs=1e-4)
