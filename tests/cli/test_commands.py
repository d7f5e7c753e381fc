"""Words of commands: arguments, help, and what is refused before the work."""

from __future__ import annotations

import pytest
from helpers.commands import call

from ssl_pipeline.cli import main as cli
from ssl_pipeline.cli.arguments import parse


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "run=RUN"], "expected out=..."),
        (["embed", "run=nowhere", "out=OUT"], "there is no folder nowhere: name that of a run or of an export"),
        (["embed", "run=RUN", "out=OUT", "source=nowhere"], "there is no nowhere"),
        (["embed", "run=RUN", "out=OUT.csv"], "expected a folder for Parquet files, or a file ending in .npz"),
        (["embed", "run=RUN", "out=OUT", "data=tones"], "the model takes samples of (8, 8)"),
        (["embed", "run=RUN", "out=OUT", "split=tst"], "split=tst: expected train, test or all"),
        (["embed", "run=RUN", "out=OUT", "device=gpu"], "device=gpu"),
        (["embed", "run=RUN", "out=OUT", "teacher=true"], "no teacher of its own"),
        (["restore", "run=RUN", "view=nois", "source=IMAGES", "out=OUT"], "no view 'nois'; nearest: noise"),
        (["restore", "run=RUN", "view=mask", "source=IMAGES", "out=OUT"], "view mask is masked: set mask=..."),
        (["restore", "run=RUN", "view=noise", "source=IMAGES", "out=OUT", "mask=x"], "view noise is not masked"),
        (["restore", "run=RUN", "view=noise", "source=IMAGES", "out=IMAGES"], "would be restored again"),
        (["restore", "run=RUN", "view=noise", "source=IMAGES", "out=IMAGES/new"], "would be restored again"),
        (["embed", "run=RUN", "out=OUT", "limit=-1"], "limit of at least 1"),
        (["cycles", "run=nowhere"], "there is no folder nowhere"),
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


@pytest.mark.parametrize("name", ["export", "embed", "restore"])
def test_help_names_every_argument(name, capsys):
    assert cli.main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert "run=..." in said and "Args:" in said


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
            ["embed", "run=RUN", "out=OUT", "data=folder", "data.root=IMAGES", "data.size=64", "data.channels=3"],
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


@pytest.mark.parametrize("name", sorted(cli.COMMANDS.keys() - {"train"}))
def test_help_says_how_to_see_a_traceback(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert "debug=False  (true shows the traceback of an error)" in capsys.readouterr().out
