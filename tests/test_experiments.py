"""Every experiment runs as it stands, on data that needs no download."""

from __future__ import annotations

from pathlib import Path

import pytest

import ssl_pipeline
from ssl_pipeline.config import compose
from ssl_pipeline.training import run

NAMES = sorted(path.stem for path in (Path(__file__).parents[1] / "conf" / "experiment").glob("*.yaml"))
SHORT = ["batch_size=8", "trainer.max_steps=2", "probe=none"]


@pytest.mark.parametrize("name", NAMES)
def test_experiment_takes_steps(name, tmp_path):
    summary = run(compose([f"experiment={name}", *SHORT]), str(tmp_path))
    assert summary["steps"] == 2 and summary["loss"] > 0


@pytest.mark.parametrize(
    ("data", "more"),
    [
        ("tones", ["data.features=waveform", "data.seconds=0.05"]),
        ("tones", ["data.seconds=0.1"]),
        ("pydoc", ["data.length=32", "encoder=vit", "decoder=query", "objective=cross_entropy"]),
        ("pydoc", ["data.length=32", "data.tokens=bpe", "data.vocab_size=400", "encoder=vit", "encoder.ngrams=3"]),
    ],
)
def test_models_take_raw_things_after_a_run(data, more, tmp_path):
    """The codec is saved with the run, a trained one with what it has learnt."""
    text = ["decoder=query", "objective=cross_entropy"] if data == "pydoc" else []
    small = ["encoder.width=24", "encoder.depth=1", "encoder.heads=2"] if data == "pydoc" else []
    run(compose([f"data={data}", *more, *text, *small, *SHORT]), str(tmp_path))
    model = ssl_pipeline.load(tmp_path)
    raw = ["The with statement", "x"] if data == "pydoc" else [[0.1] * 300, [0.0] * 4000]
    z = model.embed(raw)
    assert z.shape[0] == 2 and z.isfinite().all()
    x, valid = model.codec.encode(raw)
    assert (model.embed(x, valid) == z).all()


def test_a_list_needs_a_codec(tmp_path):
    run(compose(["encoder.widths=[8]", "decoder.widths=[8]", *SHORT]), str(tmp_path))
    with pytest.raises(ValueError, match="one array or tensor, got a list"):
        ssl_pipeline.load(tmp_path).embed([[0.0] * 64])
