"""Runs on clips: what they write, what commands and reports make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import ssl_pipeline
from ssl_pipeline.commands import embed, restore
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Clips
from ssl_pipeline.data.io.video_frames import frames_of
from ssl_pipeline.training import run


def film(file: Path, count: int = 24, rate: int = 8, shape: tuple[int, int] = (16, 24), shade: int = 0) -> None:
    """Frame k is of grey 8 k + shade."""
    pytest.importorskip("av")
    from ssl_pipeline.data.io.video_frames import write_frames

    file.parent.mkdir(parents=True, exist_ok=True)
    write_frames(file, np.stack([np.full((*shape, 1), 8 * k + shade, np.uint8) for k in range(count)]), rate)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Two classes of three videos each, of three seconds."""
    root = tmp_path_factory.mktemp("films")
    for kind in ("dark", "light"):
        for number in range(3):
            film(root / kind / f"{number}.mkv", shade=7 * (kind == "light"))
    return root


QUICK = ["probe.online=0", "probe.baselines=false", "probe.protocol.few_shot=0", "probe=clean"]
SMALL = ["data.clips=64", "data.frames=4", "data.size=16", "batch_size=8", "trainer.max_steps=3", *QUICK]
NARROW = ["encoder.widths=[8,8]", "decoder.widths=[8,8,8]"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    summary = run(compose(["experiment=video_dag", *SMALL, *NARROW]), str(folder))
    return folder, summary


@pytest.mark.slow
def test_a_run_restores_clips_and_writes_them(trained):
    folder, summary = trained
    for view in ("lowres", "reversal", "noise", "mask"):
        assert np.isfinite(summary[f"psnr/{view}"]) and (folder / "samples" / f"0_{view}_restored.gif").is_file()
    assert summary["psnr_input/lowres"] > summary["psnr_input/reversal"]  # half of the frames are right
    model = ssl_pipeline.load(folder)
    assert model.codec == Clips(16, 1, 4, 8)
    x = torch.randint(0, 255, (2, 1, 4, 16, 16), dtype=torch.uint8)
    assert model.restore(x, "reversal").shape == x.shape
    assert torch.equal(model.embed(x), model.embed([*x.movedim(1, -1).numpy()]))


def test_files_are_embedded_and_restored(trained, films, tmp_path):
    folder, _ = trained
    embed(folder, films, tmp_path / "z.npz", device="cpu")
    table = np.load(tmp_path / "z.npz")
    assert table["embedding"].shape[0] == 6 * 6
    assert table["id"].tolist()[:2] == ["dark/0.mkv@0.000", "dark/0.mkv@0.500"]
    restore(folder, films / "dark", tmp_path / "out", "noise", device="cpu")
    frames = [*frames_of(tmp_path / "out" / "0.mkv", 8, 1)]
    assert len(frames) == 24 and frames[0].shape == (16, 24, 1)
    assert (tmp_path / "out" / "before_and_after.png").is_file()
    with pytest.raises(ValueError, match="is masked"):
        restore(folder, films / "dark", tmp_path / "holes", "mask", device="cpu")


@pytest.mark.page
@pytest.mark.slow
def test_the_report_shows_strips_of_frames(tmp_path):
    run(compose(["experiment=video_dag", *SMALL, *NARROW]), str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png") >= 4
