"""The command that restores files of any size and length."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from helpers.commands import call
from helpers.exports import CONV, ESTIMATES, folder_of_a_run
from PIL import Image

import ssl_pipeline
from ssl_pipeline.data import LogMel, Pixels, Waveform
from ssl_pipeline.inference.files.any_size import AnySizeRestorer, padded
from ssl_pipeline.inference.files.windows import restore_by_windows, starts_of_windows
from ssl_pipeline.inference.load import extended


def test_windows_cover_everything_and_fade_into_each_other():
    starts = starts_of_windows(100, 10, overlap=5)
    assert starts[0] == 0 and starts[-1] == 90
    assert all(b - a <= 8 for a, b in pairwise(starts))
    x = torch.rand(2, 23, 17)
    same = restore_by_windows(x, (8, 8), lambda some, places: some, (4, 4), batch=5)
    assert torch.allclose(same, x, atol=1e-6)
    places = []
    restore_by_windows(x, (8, 8), lambda some, there: places.extend(there) or some, (4, 4))
    assert all(torch.equal(x[(slice(None), *p)], x[:, p[0], p[1]]) for p in places) and len(places) > 6


def test_images_of_any_size_are_restored_under_their_own_names(run, images, tmp_path):
    out = tmp_path / "out"
    assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={out}") == 0
    names = {str(file.relative_to(out)) for file in out.rglob("*.png")}
    assert names == {"0.png", "1.png", "sub/2.png", "before_and_after.png"}
    for name in names - {"before_and_after.png"}:
        assert Image.open(out / name).size == Image.open(images / name).size and Image.open(out / name).mode == "L"
    grey = np.asarray(Image.open(images / "0.png").convert("L"))
    wanted = ssl_pipeline.load(run).restore(torch.from_numpy(grey.copy())[None, None], "noise")
    assert np.array_equal(
        np.asarray(Image.open(out / "0.png")), (wanted[0, 0].clamp(0, 1) * 255).round().byte().numpy()
    )
    (out / "1.png").unlink()
    stamp = (out / "0.png").stat().st_mtime_ns
    assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={out}") == 0
    assert (out / "1.png").is_file() and (out / "0.png").stat().st_mtime_ns == stamp


def test_holes_are_filled_and_the_rest_of_the_image_stays(run, images, tmp_path):
    holes = tmp_path / "holes"
    holes.mkdir()
    for name in ("0.png", "1.png"):
        mask = np.zeros(Image.open(images / name).size[::-1], dtype=np.uint8)
        mask[3:6, 2:5] = 255
        Image.fromarray(mask).save(holes / name)
    words = [f"run={run}", "view=mask", f"source={images}", f"out={tmp_path}/out", f"mask={holes}"]
    with pytest.warns(UserWarning, match=r"1 of 3 files were left out: sub/2\.png"):  # it has no picture of its holes
        assert call("restore", *words) == 0
    for name in ("0.png", "1.png"):
        before, after = (np.asarray(Image.open(f).convert("L")) for f in (images / name, tmp_path / "out" / name))
        hole = np.asarray(Image.open(holes / name)) > 127
        assert np.array_equal(before[~hole], after[~hole]) and not np.array_equal(before[hole], after[hole])


@pytest.mark.parametrize("codec", [Waveform(rate=800, seconds=0.5), LogMel(rate=8000, seconds=0.25)])
def test_recordings_keep_their_length(codec, tmp_path):
    words = [*CONV, "corruption=noise+echo"]
    run = folder_of_a_run(tmp_path / "run", *words, codec=codec)
    (tmp_path / "in").mkdir()
    wave = np.sin(np.arange(codec.rate) / 10).astype("float32") * 0.5
    soundfile.write(tmp_path / "in/a.wav", wave, codec.rate)
    soundfile.write(tmp_path / "in/b.wav", wave[: codec.rate // 10], codec.rate)
    assert call("restore", f"run={run}", "view=noise", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0
    for name in ("a.wav", "b.wav"):
        before, after = (soundfile.info(str(tmp_path / place / name)) for place in ("in", "out"))
        assert (after.frames, after.samplerate, after.channels) == (before.frames, codec.rate, 1)
    assert (tmp_path / "out/before_and_after.png").stat().st_size > 1000


def test_small_images_keep_their_size(run, images, tmp_path):
    Image.new("L", (4, 9), 200).save(images / "small.png")
    assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={tmp_path}/out") == 0
    found = np.asarray(Image.open(tmp_path / "out/small.png"))
    padded = torch.full((1, 1, 9, 8), 200, dtype=torch.uint8)[:, :, :8]
    wanted = (ssl_pipeline.load(run).restore(padded, "noise")[0, 0].clamp(0, 1) * 255).round().byte().numpy()
    assert found.shape == (9, 4) and np.array_equal(found[0], wanted[0, :4])  # the first row lies in one window


def test_files_that_would_come_out_under_one_name_are_refused(run, images, tmp_path, capsys):
    Image.open(images / "0.png").convert("RGB").save(images / "0.bmp")
    assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={tmp_path}/out") == 1
    assert "0.png would be written twice" in capsys.readouterr().err


def test_transparent_and_deep_images_are_restored_as_they_are_embedded(run, tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "in/clear.png")
    Image.fromarray(np.full((8, 8), 128 * 257, dtype=np.uint16)).save(tmp_path / "in/deep.png")
    assert call("restore", f"run={run}", "view=noise", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0
    model = ssl_pipeline.load(run)
    for name, grey in (("clear", 255), ("deep", 128)):
        wanted = model.restore(torch.full((1, 1, 8, 8), grey, dtype=torch.uint8), "noise")[0, 0]
        found = np.asarray(Image.open(tmp_path / f"out/{name}.png"))
        assert np.array_equal(found, (wanted.clamp(0, 1) * 255).round().byte().numpy())


def test_a_model_of_any_size_takes_larger_windows_with_the_same_weights(tmp_path):
    words = ["encoder=unet", "encoder.widths=[8,16]", "decoder=unet", ESTIMATES, "corruption=noise"]
    model = ssl_pipeline.load(folder_of_a_run(tmp_path / "run", *words, codec=Pixels(16, 1)))
    restorer = AnySizeRestorer(model, "unknown")
    x = torch.nn.functional.interpolate(torch.rand(1, 1, 5, 9), size=(40, 70), mode="bilinear")[0]
    small = restore_by_windows(x, (16, 16), lambda some, _: model.restore(some), (15, 15))
    large = extended(model, (48, 64))
    whole = restore_by_windows(padded(x, (48, 64)), (48, 64), lambda some, _: large.restore(some), (8, 8))
    made = restorer.restore(x)
    assert torch.equal(made, whole[:, :40])
    assert (made - small).abs().mean() < 0.3 * small.std()  # but for what they know of what is around
    held = ssl_pipeline.load(ssl_pipeline.export(tmp_path / "run", "restorer:unknown", out=tmp_path / "out"))
    torch.testing.assert_close(AnySizeRestorer(held, "unknown").restore(x), made)
