"""Runs side by side on one page."""

from __future__ import annotations

import shutil

import pytest
from helpers.reports import KINDS, PROBED, checked

from ssl_pipeline.cli import main as cli
from ssl_pipeline.cli.arguments import parse
from ssl_pipeline.config.compose import compose
from ssl_pipeline.report.compare import compare_page
from ssl_pipeline.training import run


def test_runs_are_compared_on_a_page_and_nowhere_else(images, tmp_path, capsys):
    shutil.copytree(images, tmp_path / "other")
    config = images / "config.yaml"
    before = config.read_text()
    assert cli.main(["compare", str(images), f"{tmp_path}/other", f"out={config}"]) == 1
    assert "name a file that ends in .html" in capsys.readouterr().err and config.read_text() == before
    for name, text in (("config.yaml", "a: !!python/object:os.system {}"), ("summary.json", "")):
        (tmp_path / f"other/{name}").write_text(text)
        assert cli.main(["compare", str(images), f"{tmp_path}/other", f"out={tmp_path}/page.html"]) == 1
        assert f"{name} is damaged" in capsys.readouterr().err
        shutil.copy(images / name, tmp_path / f"other/{name}")


def test_runs_side_by_side(images, tmp_path, capsys):
    other = tmp_path / "other"
    run(compose([*PROBED, *KINDS["images"], "optimizer.lr=2e-3", "seed=1", "report.page=false"]), str(other))
    assert cli.main(["compare", str(images), str(other), f"out={tmp_path}/both.html"]) == 0
    text = checked(tmp_path / "both.html")
    assert "optimizer.lr" in text and "<td>0.001</td><td>0.002</td>" in text and "<td>seed</td>" not in text
    assert "raw input" in text and "untrained encoder" in text and "<h2>Curves</h2>" in text
    for words, said in (
        (["compare", str(images)], "two runs at least"),
        (["compare", f"run={images},x"], "there is no folder x"),
    ):
        assert cli.main(words) == 1 and said in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        compare_page([images, tmp_path], tmp_path / "page.html")


def test_folders_stand_for_runs(tmp_path):
    def f(run: str, out: str = ""): ...

    assert parse(f, [str(tmp_path), str(tmp_path), "out=x"]) == {"run": f"{tmp_path},{tmp_path}", "out": "x"}
