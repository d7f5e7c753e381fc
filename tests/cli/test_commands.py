"""Commands on a run: files and data sets in, files out."""

from __future__ import annotations

import shutil
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from helpers.commands import call
from helpers.exports import CONV, folder_of_a_run
from PIL import Image

import ssl_pipeline
from ssl_pipeline.cli import main as cli
from ssl_pipeline.cli.arguments import parse
from ssl_pipeline.data import LogMel, Waveform
from ssl_pipeline.inference.files.windows import restore_by_windows, starts_of_windows


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    words = [*CONV, "corruption=noise+lowres", "encoder.pool=2"]
    return folder_of_a_run(tmp_path_factory.mktemp("wave") / "run", *words, codec=Waveform(rate=800, seconds=0.5))


def table(folder):
    return pq.read_table(sorted(folder.glob("*.parquet"))).to_pydict()


def test_words_become_arguments():
    def f(run: str, size: int = 3, share: float | None = 0.5, test: bool = False, options: list[str] | None = None): ...

    words = ["run=a=b", "size=4", "share=null", "test=True", "data=digits", "data.root=x"]
    assert parse(f, words) == {
        "run": "a=b", "size": 4, "share": None, "test": True, "options": ["data=digits", "data.root=x"]
    }  # fmt: skip
    for words, said in (
        (["run"], "cannot read 'run': expected KEY=VALUE"),
        (["run=a", "sise=3"], "there is no argument 'sise'; nearest: size"),
        (["run=a", "run=b"], "run is given twice"),
        (["size=3"], r"expected run=\.\.\."),
        (["run=a", "size=x"], "size=x: expected a whole number"),
        (["run=a", "test=1"], "test=1: expected true or false"),
    ):
        with pytest.raises(ValueError, match=said):
            parse(f, words)


def test_windows_cover_everything_and_fade_into_each_other():
    starts = starts_of_windows(100, 10)
    assert starts[0] == 0 and starts[-1] == 90
    assert all(b - a <= 8 for a, b in pairwise(starts))
    x = torch.rand(2, 23, 17)
    same = restore_by_windows(x, (8, 8), lambda some, places: some, batch=5)
    assert torch.allclose(same, x, atol=1e-6)
    places = []
    restore_by_windows(x, (8, 8), lambda some, there: places.extend(there) or some)
    assert all(torch.equal(x[(slice(None), *p)], x[:, p[0], p[1]]) for p in places) and len(places) > 6


def test_files_are_embedded_as_the_model_does(run, images, tmp_path):
    assert call("embed", f"run={run}", f"source={images}", f"out={tmp_path}/out", "batch_size=2", "device=cpu") == 0
    found = table(tmp_path / "out")
    assert found["id"] == ["0.png", "1.png", "sub/2.png"]
    wanted = ssl_pipeline.load(run).embed([images / name for name in found["id"]])
    assert torch.allclose(torch.tensor(found["embedding"]), wanted, atol=1e-5)


def test_a_data_set_is_embedded_in_parts_and_goes_on_where_it_stopped(run, tmp_path, monkeypatch, capsys):
    words = [f"run={run}", f"out={tmp_path}/out", "split=all", "rows_per_file=500", "device=cpu"]
    assert call("embed", *words) == 0
    files = sorted((tmp_path / "out").glob("*.parquet"))
    assert [file.name for file in files] == [f"part-{i:05}.parquet" for i in range(4)]
    whole = pq.read_table(files).to_pydict()
    assert whole["id"] == [f"train/{i}" for i in range(1437)] + [f"test/{i}" for i in range(360)]
    assert set(whole) == {"id", "source", "label", "embedding"}
    files[2].unlink()
    kept = files[0].stat().st_mtime_ns
    seen = []
    model = ssl_pipeline.Model
    embedded = model.embed
    monkeypatch.setattr(model, "embed", lambda self, x, *a, **k: seen.append(len(x)) or embedded(self, x, *a, **k))
    assert call("embed", *words) == 0
    assert sum(seen) == 797 and files[0].stat().st_mtime_ns == kept and pq.read_table(files).to_pydict() == whole
    assert call("embed", *words, "view=noise") == 1
    assert "holds results made with another view: take another folder" in capsys.readouterr().err
    assert call("embed", f"run={run}", f"out={tmp_path}/some.npz", "limit=70", "device=cpu") == 0
    some = np.load(tmp_path / "some.npz")
    assert some["embedding"].shape == (70, 64) and some["id"][0] == "test/0"
    assert np.allclose(some["embedding"][0], whole["embedding"][1437], atol=1e-5)


@pytest.mark.parametrize("first", [70, 500, 600])
def test_a_smaller_limit_before_leaves_nothing_wrong(first, run, tmp_path):
    words = [f"run={run}", f"out={tmp_path}/out", "split=train", "rows_per_file=500"]
    assert call("embed", *words, f"limit={first}") == 0
    assert len(pq.read_table(sorted((tmp_path / "out").glob("*.parquet")))) == first
    assert call("embed", *words) == 0
    found = pq.read_table(sorted((tmp_path / "out").glob("*.parquet")))
    assert found["id"].to_pylist() == [f"train/{i}" for i in range(1437)]


def test_long_recordings_are_embedded_window_by_window(sounds, tmp_path):
    (tmp_path / "in").mkdir()
    wave = np.sin(np.arange(1600 * 2) / 30).astype("float32") * 0.5
    soundfile.write(tmp_path / "in/long.wav", wave, 1600)  # two seconds at twice the model's rate: 4 windows
    soundfile.write(tmp_path / "in/short.flac", wave[:100], 800)
    assert call("embed", f"run={sounds}", f"source={tmp_path}/in", f"out={tmp_path}/out") == 0
    assert table(tmp_path / "out")["id"] == [
        *(f"long.wav@{second}" for second in ("0.000", "0.500", "1.000", "1.500")),
        "short.flac@0.000",
    ]


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
    words = [f"run={run}", "view=mask", f"source={images}", f"out={tmp_path}/out", f"holes={holes}"]
    assert call("restore", *words) == 1  # one has no picture of its holes
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "run=RUN"], "expected out=..."),
        (["embed", "run=nowhere", "out=OUT"], "nowhere is no run's folder and no exported one"),
        (["embed", "run=RUN", "out=OUT", "source=nowhere"], "there is no nowhere"),
        (["embed", "run=RUN", "out=OUT.csv"], "expected a folder for Parquet files, or a file ending in .npz"),
        (["embed", "run=RUN", "out=OUT", "data=tones"], "the model takes samples of (8, 8)"),
        (["embed", "run=RUN", "out=OUT", "split=tst"], "split=tst: expected train, test or all"),
        (["embed", "run=RUN", "out=OUT", "device=gpu"], "device=gpu"),
        (["embed", "run=RUN", "out=OUT", "teacher=true"], "no teacher of its own"),
        (["restore", "run=RUN", "view=nois", "source=IMAGES", "out=OUT"], "no view 'nois'; nearest: noise"),
        (["restore", "run=RUN", "view=mask", "source=IMAGES", "out=OUT"], "view mask has holes: set holes=..."),
        (["restore", "run=RUN", "view=noise", "source=IMAGES", "out=OUT", "holes=x"], "view noise has no holes"),
        (["restore", "run=RUN", "view=noise", "source=IMAGES", "out=IMAGES"], "would be restored again"),
        (["restore", "run=RUN", "view=noise", "source=IMAGES", "out=IMAGES/new"], "would be restored again"),
        (["embed", "run=RUN", "out=OUT", "limit=-1"], "limit of at least 1"),
        (["cycles", "run=nowhere"], "nowhere is no run's folder"),
        (["export", "run=RUN", "part=encodr", "out=OUT"], "there is no part 'encodr'"),
        (["exprt"], "there is no command 'exprt'; nearest: export"),
    ],
)
def test_wrong_words_end_in_a_sentence(words, said, run, images, tmp_path, capsys):
    names = {"RUN": str(run), "OUT": str(tmp_path / "out"), "IMAGES": str(images)}
    for key, value in names.items():
        words = [word.replace(key, value) for word in words]
    assert cli.main(words) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_small_images_keep_their_size(run, images, tmp_path):
    Image.new("L", (4, 9), 200).save(images / "small.png")
    assert call("restore", f"run={run}", "view=noise", f"source={images}", f"out={tmp_path}/out") == 0
    found = np.asarray(Image.open(tmp_path / "out/small.png"))
    padded = torch.full((1, 1, 9, 8), 200, dtype=torch.uint8)[:, :, :8]
    wanted = (ssl_pipeline.load(run).restore(padded, "noise")[0, 0].clamp(0, 1) * 255).round().byte().numpy()
    assert found.shape == (9, 4) and np.array_equal(found[0], wanted[0, :4])  # the first row lies in one window


@pytest.mark.parametrize("name", ["export", "embed", "restore"])
def test_help_names_every_argument(name, capsys):
    assert cli.main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert "run=..." in said and "Args:" in said


def test_damaged_files_are_left_out_and_named(run, images, tmp_path, capsys):
    (images / "broken.png").write_bytes((images / "0.png").read_bytes()[:60])
    for name, more in (("embed", []), ("restore", ["view=noise"])):
        assert call(name, f"run={run}", f"source={images}", f"out={tmp_path}/{name}", *more) == 1
        assert "1 of 4 files were left out: broken.png" in capsys.readouterr().err
    assert table(tmp_path / "embed")["id"] == ["0.png", "1.png", "sub/2.png"]
    assert (tmp_path / "restore/1.png").is_file()


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


def test_cycles_leave_a_table_and_a_plot(run, tmp_path, capsys):
    assert call("cycles", f"run={run}", f"out={tmp_path}/out", "samples=20") == 0
    said, written = capsys.readouterr().out, (tmp_path / "out/cycles.csv").read_text()
    assert "| latent |" in said and written.startswith("at,numbers,x,z") and len(written.splitlines()) == 6
    assert (tmp_path / "out/cycles.png").stat().st_size > 1000
    assert call("export", f"run={run}", f"out={tmp_path}/encoder") == 0
    assert call("cycles", f"run={tmp_path}/encoder") == 1
    assert "a cycle needs both halves" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cycles", "run=RUN", "samples=0"], "samples=0: expected at least 2"),
        (["cycles", "run=RUN", "samples=-3"], "samples=-3: expected at least 2"),
        (["cycles", "run=RUN", "samples=1"], "samples=1: expected at least 2"),
        (["cycles", "run=RUN", "out=FILE"], "FILE is a file, and a folder is needed: take another place"),
        (["cycles", "run=RUN", "out=FILE/x"], "FILE is a file, and a folder is needed: take another place"),
        (["export", "run=RUN", "out=FILE/x/y"], "FILE is a file, and a folder is needed: take another place"),
        (["evaluate", "run=RUN", "out=FILE/x.json"], "FILE is a file, and a folder is needed: take another place"),
        (["cycles", "run=RUN", "out=/proc/x"], "out=/proc/x: nothing can be written in /proc"),
        (["embed", "run=RUN", "out=OUT", "device=foo"], "device=foo: there is no such device here; take cpu or auto"),
        (["embed", "run=RUN", "out=OUT", "device=cuda:99"], "device=cuda:99: there is no such device here"),
        (["embed", "run=RUN", "out=OUT", "dta=digits"], "there is no argument 'dta'; nearest: data"),
        (["embed", "run=RUN", "out=OUT", "dta.root=x"], "there is no argument 'dta.root'; nearest: data"),
        (["embed", "run=RUN", "out=OUT", "data.root=x"], "data.root=x is an option of a data set: name that, too"),
        (
            ["embed", "run=RUN", "out=OUT", "data=mixed"],
            "expected one data set, got digits, tones, pydoc",
        ),
        (
            ["embed", "run=RUN", "out=OUT", "data=tones"],
            "takes samples of (8, 8) with 1 channel made by Pixels, and tones gives (40, 50) with 1 channel made by "
            "LogMel: name another data set",
        ),
        (
            ["embed", "run=RUN", "out=OUT", "data=folder", "data.root=IMAGES"],
            "and images gives (64, 64) with 3 channels made by Pixels: set data.size=8 data.channels=1\n",
        ),
    ],
)
def test_what_cannot_work_is_said_before_the_work(words, said, run, images, tmp_path, capsys, monkeypatch):
    for work in ("report.cycle_table.cycle_errors", "evaluation.comparison.measure"):
        monkeypatch.setattr(f"ssl_pipeline.{work}", pytest.fail)
    (tmp_path / "file").touch()
    names = {"RUN": run, "OUT": tmp_path / "out", "IMAGES": images, "FILE": tmp_path / "file"}
    for key, value in names.items():
        words, said = [word.replace(key, str(value)) for word in words], said.replace(key, str(value))
    assert cli.main(words) == 1
    assert said in capsys.readouterr().err


def test_a_data_set_of_the_runs_own_kind_takes_the_runs_options(images, tmp_path):
    words = ["data=folder", f"data.root={images}", "data.size=8", "data.channels=1", "data.split.holdout=0"]
    run = folder_of_a_run(tmp_path / "run", *CONV, *words)
    shutil.copytree(images, tmp_path / "more")
    (tmp_path / "more/0.png").unlink()
    embed = ["embed", f"run={run}", "split=train", "data=folder", f"data.root={tmp_path}/more"]
    assert call(*embed, f"out={tmp_path}/out") == 0
    assert table(tmp_path / "out")["id"] == ["train/0", "train/1"]
    assert call(*embed, f"out={tmp_path}/half", "data.split.holdout=0.5") == 0  # what is said counts more
    assert table(tmp_path / "half")["id"] == ["train/0"]


@pytest.mark.parametrize("name", sorted(cli.COMMANDS.keys() - {"train"}))
def test_help_says_how_to_see_a_traceback(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert "debug=False  (true shows the traceback of an error)" in capsys.readouterr().out
