"""What belongs to the same source belongs together: energies, graph, retrieval."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers.processes import in_two_processes

from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.instantiate import instantiate
from ssl_pipeline.data import Data, MemoryDataset, holdout
from ssl_pipeline.evaluation import P1, Features, retrieval
from ssl_pipeline.evaluation.protocol import Sampled
from ssl_pipeline.losses import Align, InfoNCE, PairEnergy
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import run
from ssl_pipeline.training.graphs import maker
from ssl_pipeline.training.scoring import supervised

SOURCE = torch.tensor([4, 4, 7, 4, 9, 7, 1, 9])


def embeddings() -> torch.Tensor:
    return torch.randn(8, 5, generator=torch.Generator().manual_seed(0))


def test_info_nce_by_source_is_supcon():
    z = [x / x.norm() for x in embeddings()]
    total, asking = 0.0, 0
    for i in range(8):
        partners = [j for j in range(8) if j != i and SOURCE[j] == SOURCE[i]]
        everyone = sum(math.exp(float(z[i] @ z[k]) / 0.3) for k in range(8) if k != i)
        if partners:
            asking += 1
            total -= sum(float(z[i] @ z[j]) / 0.3 - math.log(everyone) for j in partners) / len(partners)
    assert asking == 7
    assert InfoNCE(0.3).by_source(embeddings(), SOURCE).item() == pytest.approx(total / asking, rel=1e-5)


def test_align_by_source_is_the_mean_over_its_pairs():
    z = [x / x.norm() for x in embeddings()]
    pairs = [(i, j) for i in range(8) for j in range(8) if i != j and SOURCE[i] == SOURCE[j]]
    expected = sum(float((z[i] - z[j]).square().sum()) for i, j in pairs) / len(pairs)
    assert Align().by_source(embeddings(), SOURCE).item() == pytest.approx(expected, rel=1e-5)


def test_two_views_of_a_sample_are_a_source():
    a, b = embeddings(), embeddings().flip(1)
    own = torch.arange(8)
    energy = InfoNCE(0.3)
    torch.testing.assert_close(energy.by_source(torch.cat([a, b]), torch.cat([own, own])), energy(a, b))


def _on_rank(rank, queue, energy):
    z = embeddings().chunk(2)[rank].clone().requires_grad_()
    loss = energy.by_source(z, SOURCE.chunk(2)[rank])
    loss.backward()
    queue.put((rank, loss.item(), z.grad.tolist()))


@pytest.mark.parametrize("energy", [InfoNCE(0.3), Align()])
def test_two_processes_equal_one(energy: PairEnergy):
    z = embeddings().requires_grad_()
    loss = energy.by_source(z, SOURCE)
    loss.backward()
    (_, first, up), (_, second, down) = in_two_processes(_on_rank, energy)
    assert (first + second) / 2 == pytest.approx(loss.item(), rel=1e-5)
    # DDP averages over ranks what each of them adds to the weights' gradient.
    torch.testing.assert_close(torch.tensor(up + down) / 2, z.grad)


SMALL = ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=32", "probe.online=0", "probe.protocol.few=0"]


def blobs(per_source: int = 6, sources: int = 40) -> Data:
    """Images that are their source's own pattern under noise; the label is a property of the source."""
    generator = torch.Generator().manual_seed(0)
    source = torch.arange(sources).repeat_interleave(per_source)
    x = torch.rand(sources, 1, 8, 8, generator=generator)[source] + 0.3 * torch.randn(
        len(source), 1, 8, 8, generator=generator
    )
    dataset = MemoryDataset(x, labels=source % 2, source=source)
    train, test = holdout(dataset, 0.25)
    return Data(GridSpec.of(("y", 8), ("x", 8), channels=1), train, test, ("even", "odd"), "blobs")


def test_holdout_keeps_sources_whole():
    data = blobs()
    train, test = set(data.train.sources.tolist()), set(data.test.sources.tolist())
    assert len(train) == 30 and len(test) == 10 and not train & test
    assert torch.equal(data.test[range(5)].source, data.test.sources[:5])


@pytest.fixture
def in_yaml(monkeypatch):
    """``blobs`` in place of the digits."""

    def instead(node, **kwargs):
        is_data = isinstance(node, dict) and node.get("_target_") == "ssl_pipeline.data.digits"
        return blobs() if is_data else instantiate(node, **kwargs)

    monkeypatch.setattr("ssl_pipeline.training.runner.instantiate", instead)


def test_one_view_is_enough_by_source_and_sources_are_found(tmp_path, in_yaml):
    overrides = ["corruption=echo", "objective=info_nce", "objective.info_nce.positives=source"]
    config = compose([*SMALL, *overrides, "members_per_source=4", "trainer.max_steps=60", "optimizer.lr=3e-3"])
    summary = run(config, str(tmp_path))
    assert summary["supervised"] is True
    assert summary["retrieval"] > max(summary["retrieval_untrained"], 10 * summary["retrieval_chance"] / 2)
    assert summary["retrieval_chance"] == pytest.approx(100 * 5 / 59, abs=0.01)


def test_supervised_needs_sources_in_the_objective():
    data = blobs()
    by_sample = compose([*SMALL, "corruption=echo+noise", "objective=info_nce"])
    by_source = compose([*SMALL, "corruption=echo", "objective=info_nce", "objective.info_nce.positives=source"])
    assert not supervised(maker(by_sample, data)(), data)
    assert supervised(maker(by_source, data)(), data)
    mixed_labels = MemoryDataset(data.train[range(100)].x, torch.arange(100) % 2, data.train.sources[:100])
    assert not supervised(maker(by_source, data)(), Data(data.grid, mixed_labels, None, ("a", "b"), "mixed"))


def test_views_of_different_samples_meet_by_source():
    """With one view a sample, views share no sample, but they share sources: all meet in one energy."""
    config = compose(
        [
            *SMALL,
            "corruption=echo+noise+lowres",
            "objective=info_nce",
            "objective.info_nce.positives=source",
            "objective.info_nce.projector=null",
            "views_per_step=1",
        ]
    )
    data = blobs()
    graph = maker(config, data)()
    batch: Batch = data.train[range(24)]
    assert {(e.source, e.target) for e in graph.edges["info_nce"]} >= {
        ("latent/echo", "latent/noise"),
        ("latent/echo", "latent/lowres"),
    }
    damaged = graph.eval().damage(batch)
    z = graph.encode(graph.standard(damaged))
    rows = [damaged.deal.rows[view] for view in z]
    assert torch.cat(rows).sort().values.tolist() == [*range(24)]
    expected = InfoNCE(0.2).by_source(torch.cat([v.pooled for v in z.values()]), batch.source[torch.cat(rows)])
    energies = graph(damaged)
    torch.testing.assert_close(energies, {"loss": expected, "info_nce/source": expected})
    config = compose([*SMALL, "corruption=echo+noise", "objective=info_nce", "views_per_step=1"])
    with pytest.raises(ValueError, match="views_per_step=2"):
        maker(config, data)()


def test_what_knows_no_sources_says_so():
    config = compose([*SMALL, "corruption=echo+noise", "objective=vicreg", "objective.vicreg.positives=source"])
    with pytest.raises(ValueError, match="VICReg compares views of one sample only"):
        maker(config, blobs())()
    config["objective"]["vicreg"]["positives"] = "author"
    with pytest.raises(ValueError, match="take sample or source"):
        maker(config, blobs())()


def test_hubs_are_for_pairs_of_views():
    source = ["objective.info_nce.positives=source", "objective.info_nce.hubs=[echo]"]
    with pytest.raises(ValueError, match="all views at once: set hubs=null"):
        maker(compose([*SMALL, "corruption=echo+noise", "objective=info_nce", *source]), blobs())()


def test_retrieval_across_labels():
    """The nearest of all is in the same language; the nearest in another one is what counts."""
    z = np.array([[1.0, 0.15], [1.0, 0.14], [0.9, 0.2], [-1.0, 0.15], [-1.0, 0.14], [-0.9, 0.2]])
    source = np.array([0, 1, 0, 2, 3, 2])
    language = np.array([0, 0, 1, 0, 0, 1])
    assert retrieval(z, source)["retrieval"] < 100
    across = retrieval(z, source, language)
    assert across["retrieval"] == 100
    # Four of six have a partner; two of them choose between two candidates, two among four.
    assert across["retrieval_chance"] == pytest.approx(100 * (1 / 2 + 1 / 4) / 2, abs=0.01)
    assert retrieval(z, np.arange(6)) == {}


def test_retrieval_at_random_is_chance():
    rng = np.random.default_rng(0)
    source = np.arange(2000) // 20
    found = retrieval(rng.normal(size=(2000, 50)), source)
    assert found["retrieval"] == pytest.approx(found["retrieval_chance"], abs=1.0)
    assert found["retrieval_chance"] == pytest.approx(100 * 19 / 1999, abs=0.01)


def test_labels_that_training_never_shows_are_not_probed():
    """Speakers held out are no classes for those that stayed: a number would be made up."""
    z = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    own = np.arange(40)
    train, test = Sampled(z, own % 2, own), Sampled(z, 2 + own % 2, own)
    assert P1(few=0).score(Features(train, test)) == {}
    assert "knn" in P1(few=0).score(Features(train, train))
    with pytest.raises(ValueError, match="needs labels"):
        P1(few=0, across_labels=True).score(Features(train, test._replace(label=None)))
