"""Images that belong together stay on one side of the split."""

from __future__ import annotations

import pytest
from helpers.images import picture

from ssl_pipeline.data import folder


@pytest.fixture
def slides(tmp_path):
    for kind in ("ill", "well"):
        for patient in range(4):
            (tmp_path / f"x/{kind}/p{patient}").mkdir(parents=True)
            for patch in range(3):
                picture("L", (8, 8)).save(tmp_path / f"x/{kind}/p{patient}/id{patient}_{patch}.png")
    return str(tmp_path / "x")


@pytest.mark.parametrize("source", ["folder", "prefix", r"/p(\d)/"])
def test_a_source_lies_on_one_side(slides, source):
    data = folder(slides, size=8, channels=1, source=source, split={"holdout": 0.25})
    assert (len(data.train), len(data.test)) == (18, 6)  # of one patient, both of the ill and of the well
    assert not {*data.train.sources.tolist()} & {*data.test.sources.tolist()}
    assert len(data.test.sources.unique()) == len({file.split("/")[1][-1] for file in data.test.files}) == 1
    assert len(folder(slides, size=8, channels=1, split={"holdout": 0.25}).test.sources.unique()) == 6


@pytest.mark.parametrize("source, said", [("foldr", "finds nothing in it in ill/p0"), ("p(", "expected file, folder")])
def test_a_source_that_no_name_tells_is_refused(slides, source, said):
    with pytest.raises(ValueError, match=said):
        folder(slides, size=8, source=source)


def test_a_source_in_both_folders_is_named(tmp_path):
    for place in ("train/a", "train/b", "test/a"):
        (tmp_path / place).mkdir(parents=True)
        picture("L", (8, 8)).save(tmp_path / place / "p1_0.png")
    with pytest.warns(UserWarning, match="1 of the sources lie in train and in test: p1"):
        folder(str(tmp_path), size=8, source="prefix")
