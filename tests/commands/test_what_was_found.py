"""Restored files come with a table of what was found in each."""

from __future__ import annotations

import csv
import shutil

import pytest
import torch

import ssl_pipeline as sslp
from ssl_pipeline.inference.recognizer import Recognizer, statistics, write_recognizer


@pytest.fixture
def telling(run, tmp_path):
    """A run that finds noise of severity 4 in everything."""
    folder = shutil.copytree(run, tmp_path / "run")
    x = torch.zeros(1, 1, 8, 8)
    model = sslp.load(folder)
    recognizer = Recognizer(["blur", "noise"], width=len(statistics_of(model, x)))
    with torch.no_grad():
        recognizer.net[2].weight.zero_()
        recognizer.net[2].bias.copy_(torch.tensor([-9.0, 9.0, 0.0, 1.0]))
    recognizer.whiten.zero_()
    return folder, recognizer


def statistics_of(model, x):
    return statistics(model.part("encoder").encoded(x))[0]


def table(out):
    with (out / "found.csv").open(newline="") as opened:
        return [*csv.reader(opened)]


def test_each_file_has_a_line_and_a_second_call_adds_none(telling, images, tmp_path):
    folder, recognizer = telling
    write_recognizer(recognizer, folder)
    for _ in range(2):
        sslp.restore(folder, images, tmp_path / "out", device="cpu")
        assert table(tmp_path / "out") == [["file", "happened", "novelty"]] + [
            [f"{i}.png", "noise 4.0", "0.00"] for i in range(3)
        ]
    (tmp_path / "out/1.png").unlink()
    sslp.restore(folder, images, tmp_path / "out", device="cpu")
    assert [row[0] for row in table(tmp_path / "out")[1:]] == ["0.png", "1.png", "2.png", "1.png"]


def test_what_is_unlike_the_training_is_warned_of(telling, images, tmp_path):
    folder, recognizer = telling
    recognizer.whiten.copy_(1e3 * torch.eye(len(recognizer.whiten)))
    write_recognizer(recognizer, folder)
    with pytest.warns(UserWarning, match="3 of 3 files are unlike what this model has learned from, most of all"):
        sslp.restore(folder, images, tmp_path / "out", device="cpu")


def test_a_model_that_cannot_tell_restores_without_a_table(run, images, tmp_path):
    sslp.restore(run, images, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out/found.csv").exists() and (tmp_path / "out/0.png").is_file()
