"""What belongs to the same source belongs together: holdout, terms and views."""

from __future__ import annotations

import pytest
import torch
from helpers.on_data import graph_on
from helpers.sources import SMALL, blobs

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, DataSets, MemoryDataset
from ssl_pipeline.losses import InfoNCE
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training import run
from ssl_pipeline.training.scoring import supervised


def test_holdout_keeps_sources_whole():
    data = blobs()
    train, test = set(data.train.sources.tolist()), set(data.test.sources.tolist())
    assert len(train) == 30 and len(test) == 10 and not train & test
    assert torch.equal(data.test[range(5)].source, data.test.sources[:5])


@pytest.fixture
def in_yaml(monkeypatch):
    """``blobs`` in place of the digits."""

    monkeypatch.setattr("ssl_pipeline.training.stages.prepare.build_data", lambda *_: DataSets.of(blobs()))


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
    assert not supervised(graph_on(by_sample, data), data)
    assert supervised(graph_on(by_source, data), data)
    mixed_labels = MemoryDataset(data.train[range(100)].x, torch.arange(100) % 2, data.train.sources[:100])
    assert not supervised(graph_on(by_source, data), Data(data.grid, mixed_labels, None, ("a", "b"), "mixed"))


def test_views_of_different_samples_meet_by_source():
    """With one view a sample, views share no sample, but they share sources: all meet in one loss."""
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
    graph = graph_on(config, data)
    batch: Batch = data.train[range(24)]
    (edge,) = graph.edges["info_nce"]
    assert [str(end) for end in edge.ends] == ["latent/echo", "latent/noise", "latent/lowres"]
    corrupted = graph.eval().corrupt(batch)
    z = graph.encode(graph.normalized(corrupted.views))
    rows = [corrupted.assignment.rows[view] for view in z]
    assert torch.cat(rows).sort().values.tolist() == [*range(24)]
    expected = InfoNCE(0.2).by_source(torch.cat([v.pooled for v in z.values()]), batch.source[torch.cat(rows)])
    losses = graph(corrupted)
    torch.testing.assert_close(losses, {"loss": expected, "info_nce/source": expected})
    config = compose([*SMALL, "corruption=echo+noise", "objective=info_nce", "views_per_step=1"])
    with pytest.raises(ValueError, match="views_per_step=2"):
        graph_on(config, data)


def test_what_knows_no_sources_says_so():
    config = compose([*SMALL, "corruption=echo+noise", "objective=vicreg", "objective.vicreg.positives=source"])
    with pytest.raises(ValueError, match="VICReg compares views of one sample only"):
        graph_on(config, blobs())
    config["objective"]["vicreg"]["positives"] = "author"
    with pytest.raises(ValueError, match="take sample or source"):
        graph_on(config, blobs())


def test_anchors_are_for_pairs_of_views():
    source = ["objective.info_nce.positives=source", "objective.info_nce.anchors=[echo]"]
    with pytest.raises(ValueError, match="all views at once: set anchors=null"):
        graph_on(compose([*SMALL, "corruption=echo+noise", "objective=info_nce", *source]), blobs())
