"""Commands that go on where they were stopped take nothing else for their own, and lose nothing where a file is bad."""

from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile
import torch
from helpers.commands import call
from helpers.exports import CONV, folder_of_a_run
from PIL import Image

from ssl_pipeline.data import LogMel
from ssl_pipeline.inference.files.reader import files_of
from ssl_pipeline.inference.files.restorer import FileRestorer
from ssl_pipeline.inference.load import load


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    words = [*CONV, "corruption=noise+echo"]
    codec = LogMel(rate=8000, seconds=0.5)
    return folder_of_a_run(tmp_path_factory.mktemp("speech") / "run", *words, codec=codec)


def test_results_of_another_making_are_not_taken_for_its_own(run, images, tmp_path, capsys):
    words = ["restore", f"run={run}", f"source={images}", f"out={tmp_path}/out"]
    Image.new("L", (40, 40)).save(tmp_path / "holes.png")
    assert call(*words, "view=noise") == 0
    before = (tmp_path / "out/0.png").read_bytes()
    for other in (["view=mask", f"mask={tmp_path}/holes.png"],):
        assert call(*words, *other) == 1
        assert "holds results made with another view, mask: take another folder" in capsys.readouterr().err
    assert call(*words, "view=noise") == 0
    os.utime(run / "checkpoints/last.ckpt")  # it has learned more since
    assert call(*words, "view=noise") == 1 and "another weights" in capsys.readouterr().err
    assert (tmp_path / "out/0.png").read_bytes() == before


def test_files_of_nobody_are_not_taken_for_results(run, images, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "out/0.png")
    assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={tmp_path}/out") == 1
    assert "holds other things, such as 0.png: take another folder" in capsys.readouterr().err


def test_a_failed_call_leaves_its_folder_free(run, images, tmp_path):
    assert call("embed", f"run={run}", f"source={images}", f"out={tmp_path}/out", "view=mask") == 1
    assert call("embed", f"run={run}", f"source={images}", f"out={tmp_path}/out") == 0


def test_one_file_is_a_source_and_an_npz_is_not_written_over(run, images, tmp_path, capsys):
    words = ["embed", f"run={run}", f"source={images}/0.png", f"out={tmp_path}/one.npz"]
    assert call(*words) == 0 and np.load(tmp_path / "one.npz")["id"].tolist() == ["0.png"]
    assert call(*words) == 1 and "is there already" in capsys.readouterr().err
    assert call("restore", f"run={run}", "view=noise", f"source={images}/0.png", f"out={images}/restored") == 0
    assert (images / "restored/0.png").is_file()


def test_all_that_is_left_out_stands_in_a_file(run, images, tmp_path):
    for i in range(5):
        (images / f"bad{i}.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="5 of 8 files were left out.*; and 2 more, see ") as warned:
        assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={tmp_path}/out") == 0
    assert "bad4" not in str(warned[0].message)
    assert len((tmp_path / "out/_left_out.txt").read_text().splitlines()) == 5


@pytest.mark.parametrize("name", ["restore", "embed"])
def test_where_nothing_can_be_written(name, run, images, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    more = ["view=noise"] if name == "restore" else []
    assert call(name, f"run={run}", *more, f"source={images}", f"out={tmp_path}/file/out") == 1
    assert f"{tmp_path}/file is a file, and a folder is needed: take another place" in capsys.readouterr().err


def test_holes_that_are_not_there(run, images, tmp_path, capsys):
    words = [f"run={run}", "view=mask", f"source={images}", f"out={tmp_path}/out", f"mask={tmp_path}/none"]
    assert call("restore", *words) == 1
    assert "there is no mask=" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_silence_and_very_short_sounds_have_their_place_on_the_sheet(speech, tmp_path, recwarn):
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in/silence.wav", np.zeros(9000, dtype="float32"), 8000)
    soundfile.write(tmp_path / "in/short.wav", np.ones(60, dtype="float32") / 2, 8000)
    assert call("restore", f"run={speech}", "view=noise", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0
    assert (tmp_path / "out/before_and_after.png").stat().st_size > 1000
    assert not [one for one in recwarn if "sheet" in str(one.filename) or "NFFT" in str(one.message)]


def test_a_steady_tone_keeps_its_level_over_windows(speech, tmp_path, monkeypatch):
    """What is restored window by window becomes sound once, or phases of neighbours would cancel each other."""
    tone = 0.4 * np.sin(2 * np.pi * 600 * np.arange(24_000) / 8000).astype("float32")
    soundfile.write(tmp_path / "tone.wav", tone, 8000)
    model = load(speech)
    monkeypatch.setattr(model, "restore", lambda x, view, mask=None, valid=None: torch.as_tensor(x))  # a perfect one
    files = files_of(model, tmp_path / "tone.wav")
    after = FileRestorer(model, files, "noise").sound(files.files[0])
    assert after is not None and len(after) == len(tone)
    level = np.sqrt(np.square(after[800:-800].reshape(-1, 800)).mean(1))
    assert level.min() > 0.85 * 0.4 / 2**0.5 and level.max() < 1.15 * 0.4 / 2**0.5


def test_turned_bits_in_a_checkpoint_are_found(run, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").write_text((run / "config.yaml").read_text())
    content = bytearray((run / "checkpoints/last.ckpt").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(255 - byte for byte in content[middle : middle + 64])
    (tmp_path / "checkpoints/last.ckpt").write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path)


def test_turned_bits_in_an_exported_part_are_found(run, tmp_path):
    assert call("export", f"run={run}", f"out={tmp_path}/encoder") == 0
    file = tmp_path / "encoder/weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-64:] = bytes(255 - byte for byte in content[-64:])
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged, so it is not loaded \(it has another sum"):
        load(tmp_path / "encoder")
