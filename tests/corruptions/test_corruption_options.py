"""Options that no corruption takes end in a sentence."""

from __future__ import annotations

import pytest
from helpers.cases import CORRUPTIONS, GRIDS

from ssl_pipeline.corruptions import (
    Crop,
    Drop,
    Echo,
    Infill,
    LowRes,
    Mask,
    Mix,
    Noise,
    Reversal,
    SaltPepper,
    Shuffle,
    Template,
)
from ssl_pipeline.structures.grid import GridSpec

BAD = [
    (Noise, "image", {"sigma": -0.1}, "sigma is a number or an interval"),
    (Noise, "image", {"sigma": [0.5, 0.1]}, "sigma is a number or an interval"),
    (Noise, "image", {"sigma": 0.1, "snr_db": 3}, "one of sigma and snr_db"),
    (Noise, "wave", {"snr_db": [20, 0]}, "snr_db is a number or an interval"),
    (Mix, "text", {}, "got a discrete grid"),
    (Noise, "text", {"ratio": 1.5}, "between 0.0 and 1.0, got 1.5"),
    (Mask, "image", {"ratio": 1.0}, "ratio must be at least 0 and below 1, got 1.0"),
    (Mask, "image", {"cell": 3}, "got 3: choose one of 1, 2, 4, 8"),
    (Mask, "image", {"cell": (2, 2, 2)}, "one per axis"),
    (Mask, "image", {"cell": [None, 5]}, "got 5: choose one of 1, 2, 3, 4, 6, 12"),
    (Mask, "text", {"random_share": 0.5, "keep_share": 0.6}, "keep_share is a number"),
    (Mask, "image", {"blob": 0}, "blob must be at least 1"),
    (Mask, "image", {"blocks": 0}, "blocks must be at least 1"),
    (Mask, "image", {"scale": 1.5}, "scale is a number or an interval"),
    (Mask, "image", {"aspect": (2.0, 1.0)}, "aspect is a number or an interval"),
    (LowRes, "image", {"factor": 5}, "factor must divide the 8 cells along 'y', got 5"),
    (LowRes, "image", {"factor": [2, 3]}, "got 3: choose one of 1, 2, 4, 8"),
    (LowRes, "image", {"factor": []}, "at least one choice"),
    (LowRes, "image", {"axes": ["time"]}, "among y, x"),
    (Reversal, "codes", {"unit": "word"}, "takes discrete grids of one axis"),
    (Reversal, "text", {"separators": []}, "at least one symbol"),
    (Infill, "image", {}, "infill takes discrete grids of one axis"),
    (Infill, "text", {"ratio": 1.0}, "ratio must be at least 0 and below 1"),
    (Infill, "text", {"span": 0.5}, "span must be at least 1"),
    (Drop, "codes", {}, "drop takes discrete grids of one axis"),
    (Drop, "text", {"every": 1}, "every must be at least 2"),
    (Drop, "text", {"separators": []}, "at least one symbol"),
    (SaltPepper, "text", {}, "salt_pepper .* got a discrete grid"),
    (SaltPepper, "image", {"ratio": 1.5}, "ratio is a number"),
    (SaltPepper, "image", {"salt": -0.5}, "salt is a number"),
    (Shuffle, "text", {"window": 9}, "set 1 to 8"),
    (Shuffle, "image", {"axis": "time"}, "among y, x"),
    (Template, "text", {"families": {"say": ["{}"]}}, "got 50 symbols"),
    (Template, "wave", {"families": {"say": ["{}"]}}, "template takes discrete grids"),
    (Template, "bytes", {"families": {"say": []}}, "leave no template"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "only": ["sya"]}, "nearest: say"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "fold": (0, 3)}, "the i-th of k folds"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "fold": (2, 2)}, "leave no template"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "room": -1}, "expected a number of cells"),
    (Template, "bytes", {"families": {"say": ["{} and {}"]}}, "once, where the text goes"),
    (Template, "bytes", {"families": {"say": ["repeat"]}}, "once, where the text goes"),
    (Template, "bytes", {"families": {"say": ["Write that sentence: {}!!"]}}, "got .Write that sentence: {}!!. of 23"),
    (Crop, "logmel", {"size": (4, 12)}, "name it in axes or set resample=True"),
    (Crop, "image", {"axes": ["time"]}, "among y, x"),
    (Reversal, "image", {"axes": ["time"]}, "among y, x"),
    (Reversal, "image", {"axes": []}, "at least one of y, x"),
    (Crop, "image", {"scale": (0.5, 1.5)}, "scale is a number or an interval"),
    (Crop, "image", {"size": 0}, "positive integer"),
    (Crop, "image", {"size": (4, 4, 4)}, "one per axis"),
    (Crop, "image", {"jitter": 1.5}, "jitter is a number"),
    (Crop, "image", {"flip": 1.5}, "flip is a number"),
    (Crop, "image", {"hue": 0.7}, "hue is a number"),
    (Crop, "text", {"resample": True}, "set resample=False"),
]


@pytest.mark.parametrize(("build", "grid", "options", "sentence"), BAD)
def test_bad_options_are_refused_with_a_sentence(build, grid, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options).bind(GRIDS[grid])


@pytest.mark.parametrize("build", [Mask, Infill])
def test_holes_need_a_mask_token(build):
    with pytest.raises(ValueError, match="set the grid's mask_token"):
        build().bind(GridSpec.of(("position", 8), vocab=9))


def test_every_corruption_with_options_has_a_row():
    lost = {case.build for case in CORRUPTIONS} - {row[0] for row in BAD} - {Echo}
    names = ", ".join(sorted(cls.__name__ for cls in lost))
    assert not lost, f"add a row to BAD in this file, an option that is refused and the sentence, for {names}"
