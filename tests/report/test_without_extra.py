"""Without the extra that makes pages a run is trained, and one sentence says what its page needs."""

from __future__ import annotations

import sys

import pytest
from helpers.small_models import CONV

from ssl_pipeline import commands
from ssl_pipeline.config.compose import compose
from ssl_pipeline.training import run
from ssl_pipeline.training.trainer import make_trainer

TINY = [*CONV, "corruption=noise", "batch_size=32", "trainer.max_steps=1", "probe=none", "diagnostics.every=0"]
OPTIONS = {"max_steps": 1, "enable_progress_bar": False, "accelerator": "cpu"}


@pytest.mark.page
@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_run_ends_with_a_sentence_instead_of_its_page(package, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    assert run(compose(TINY), str(tmp_path / "run"))["steps"] == 1
    said = capsys.readouterr().err
    assert f"report.html needs {package}: pip install 'ssl_pipeline[report]'; then make it with: ssl-pipeline" in said
    assert "Traceback" not in said and not (tmp_path / "run/report.html").exists()


@pytest.mark.parametrize(
    ("work", "what"),
    [
        (lambda folder: commands.report(folder), "report.html"),
        (lambda folder: commands.compare([folder, folder], folder / "both.html"), "both.html"),
        (lambda folder: commands.cycles(folder), "cycles.png"),
    ],
    ids=["report", "compare", "cycles"],
)
def test_a_command_that_draws_says_it_before_the_work(work, what, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=rf"{what} needs matplotlib: pip install 'ssl_pipeline\[report\]'"):
        work(tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_tensorboard_is_written_where_it_is_installed(there, tmp_path, monkeypatch):
    if not there:
        monkeypatch.setitem(sys.modules, "tensorboard", None)
    names = [type(logger).__name__ for logger in make_trainer(OPTIONS, [], tmp_path, 0).loggers]
    assert names == ["TidyCSV", *(["TensorBoardLogger"] if there else [])]
