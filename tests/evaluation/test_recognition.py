"""What happened to samples, read off their latents."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.restorers import GRID, blobs, restorer

from ssl_pipeline.data import Data, MemoryDataset
from ssl_pipeline.evaluation.recognition import Recognition
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.recognizer import (
    FILE,
    Happened,
    Recognizer,
    forget_recognizer,
    joined,
    read_recognizer,
    write_recognizer,
)

FEW = Recognition(samples=40, severities=(2, 5), families=("contrast", "noise"), rows=1200)


@pytest.fixture(scope="module")
def data():
    x = blobs(460)
    return Data(GRID, MemoryDataset(x[:400]), MemoryDataset(x[400:]), None, "blobs")


@pytest.fixture(scope="module")
def graph():
    return restorer(sigma=(0.0, 0.1))


@pytest.fixture(scope="module")
def recognizer(graph, data):
    return FEW.fit(graph, data)


def test_corruptions_are_named_and_their_severity_is_told(recognizer, graph, data):
    scores = FEW.score(recognizer, graph, data)
    for form in ("clean", "contrast/2", "contrast/5", "noise/2", "noise/5"):
        assert scores[f"recognition/family/{form}"] > 75, form
    assert scores["recognition/severity_error"] < 0.7


def test_a_fit_is_the_same_again_and_moves_no_number_of_others(recognizer, graph, data):
    before = torch.random.get_rng_state()
    again = FEW.fit(graph, data)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(recognizer.parameters(), again.parameters(), strict=True))


def test_a_model_tells_it_of_raw_samples(recognizer, graph, data):
    model = Model(graph, {}, recognizer=recognizer)
    x = data.test[range(20)].x
    noisy = (x + 60 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 255).byte()
    found = model.what_happened(torch.cat([x, noisy]), batch_size=7)
    likely = found.probability[:, found.families.index("noise")]
    assert likely[:20].median() < 0.5 < likely[20:].median()
    assert found.said(39).startswith("noise ")


def test_what_is_unlike_the_training_is_novel(recognizer, graph, data):
    model = Model(graph, {}, recognizer=recognizer)
    odd = torch.randint(0, 256, (20, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    assert model.what_happened(data.test[range(40)].x).novelty.median() < 1
    assert model.what_happened(odd).novelty.min() > 1


def test_a_folder_keeps_it(recognizer, tmp_path):
    assert read_recognizer(tmp_path) is None
    write_recognizer(recognizer, tmp_path)
    again, z = read_recognizer(tmp_path), torch.rand(5, len(recognizer.mean))
    assert again is not None and again.families == ("contrast", "noise")
    assert all(torch.equal(a, b) for a, b in zip(again(z)[1:], recognizer(z)[1:], strict=True))
    (tmp_path / FILE).write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="is damaged"):
        read_recognizer(tmp_path)
    forget_recognizer(tmp_path)
    assert read_recognizer(tmp_path) is None and not any(tmp_path.iterdir())
    forget_recognizer(tmp_path)


def test_without_it_a_model_says_what_to_do(graph):
    with pytest.raises(ValueError, match="this model cannot tell what happened: that is learned at the end of a run"):
        Model(graph, {}).what_happened(torch.zeros(1, 3, 16, 16))


def test_pieces_are_joined_by_how_sure_they_are():
    pieces = torch.tensor([[0.9, 4.0, 1.0], [0.1, 1.0, 3.0], [0.1, 1.0, 3.0]])
    whole = joined(Happened(("noise",), pieces[:, :1], pieces[:, 1:2], pieces[:, 2]))
    assert whole.probability.item() == pytest.approx(1.1 / 3)
    assert whole.severity.item() == pytest.approx((0.9 * 4 + 0.2) / 1.1) and whole.novelty.item() == 3


def test_novelty_is_a_squared_distance():
    recognizer = Recognizer(["noise"], 2)
    recognizer.centre, recognizer.whiten = torch.tensor([1.0, 0.0]), torch.diag(torch.tensor([1.0, 0.5]))
    assert recognizer(torch.tensor([[3.0, 2.0]])).novelty.item() == pytest.approx(5)


def test_a_collapsed_latent_breaks_nothing(graph, data, monkeypatch):
    monkeypatch.setattr("ssl_pipeline.evaluation.recognition.statistics", lambda latent: latent.pooled * 0 + 1)
    recognizer = FEW.fit(graph, data)
    said = recognizer(torch.ones(3, len(recognizer.mean)))
    assert said.probability.isfinite().all() and said.novelty.max() <= 1


def test_other_options_are_refused():
    with pytest.raises(ValueError, match=r"probe.protocol.recognition.samples=0: expected at least 1"):
        replace(FEW, samples=0)
