"""Options that no corruption takes end in a sentence."""

from __future__ import annotations

import pytest
from helpers.cases import CORRUPTIONS, GRIDS

import ssl_pipeline as sslp
from ssl_pipeline.structures.grid import GridSpec

BAD = [
    (sslp.Noise, "image", {"sigma": -0.1}, "sigma is a number or an interval"),
    (sslp.Noise, "image", {"sigma": [0.5, 0.1]}, "sigma is a number or an interval"),
    (sslp.Noise, "image", {"sigma": 0.1, "snr_db": 3}, "one of sigma and snr_db"),
    (sslp.Noise, "wave", {"snr_db": [20, 0]}, "snr_db is a number or an interval"),
    (sslp.Mix, "text", {}, "got a discrete grid"),
    (sslp.Noise, "text", {"ratio": 1.5}, "between 0.0 and 1.0, got 1.5"),
    (sslp.Mask, "image", {"ratio": 1.0}, "ratio must be at least 0 and below 1, got 1.0"),
    (sslp.Mask, "image", {"cell": 3}, "got 3: choose one of 1, 2, 4, 8"),
    (sslp.Mask, "image", {"cell": (2, 2, 2)}, "one per axis"),
    (sslp.Mask, "image", {"cell": [None, 5]}, "got 5: choose one of 1, 2, 3, 4, 6, 12"),
    (sslp.Mask, "text", {"random_share": 0.5, "keep_share": 0.6}, "keep_share is a number"),
    (sslp.Mask, "image", {"blob": 0}, "blob must be at least 1"),
    (sslp.Mask, "image", {"blocks": 0}, "blocks must be at least 1"),
    (sslp.Mask, "image", {"scale": 1.5}, "scale is a number or an interval"),
    (sslp.Mask, "image", {"aspect": (2.0, 1.0)}, "aspect is a number or an interval"),
    (sslp.LowRes, "image", {"factor": 5}, "factor must divide the 8 cells along 'y', got 5"),
    (sslp.LowRes, "image", {"factor": [2, 3]}, "got 3: choose one of 1, 2, 4, 8"),
    (sslp.LowRes, "image", {"factor": []}, "at least one choice"),
    (sslp.LowRes, "image", {"axes": ["time"]}, "among y, x"),
    (sslp.Reversal, "codes", {"unit": "word"}, "takes discrete grids of one axis"),
    (sslp.Reversal, "text", {"separators": []}, "at least one symbol"),
    (sslp.Infill, "image", {}, "infill takes discrete grids of one axis"),
    (sslp.Infill, "text", {"ratio": 1.0}, "ratio must be at least 0 and below 1"),
    (sslp.Infill, "text", {"span": 0.5}, "span must be at least 1"),
    (sslp.MultiBlock, "image", {"targets": 0}, "targets must be at least 1, got 0"),
    (sslp.MultiBlock, "image", {"min_keep": 0}, "min_keep must be at least 1, got 0"),
    (sslp.MultiBlock, "image", {"scale": (0.2, 1.2)}, "scale is a number or an interval"),
    (sslp.MultiBlock, "image", {"cell": 5}, "got 5: choose one of 1, 2, 4, 8"),
    (sslp.MultiBlock, "grey", {"cell": 4}, r"needs at least 7 cells, .* got .3, 2.: make cells smaller"),
    (sslp.MultiBlock, "wave", {}, r"10 cells of context beside a target of up to 1, got .* 6 of .8,. cells: make"),
    (sslp.Drop, "codes", {}, "drop takes discrete grids of one axis"),
    (sslp.Drop, "text", {"every": 1}, "every must be at least 2"),
    (sslp.Drop, "text", {"separators": []}, "at least one symbol"),
    (sslp.SaltPepper, "text", {}, "salt_pepper .* got a discrete grid"),
    (sslp.SaltPepper, "image", {"ratio": 1.5}, "ratio is a number"),
    (sslp.SaltPepper, "image", {"salt": -0.5}, "salt is a number"),
    (sslp.Shuffle, "text", {"window": 9}, "set 1 to 8"),
    (sslp.Shuffle, "image", {"axis": "time"}, "among y, x"),
    (sslp.Template, "text", {"families": {"say": ["{}"]}}, "got 50 symbols"),
    (sslp.Template, "wave", {"families": {"say": ["{}"]}}, "template takes discrete grids"),
    (sslp.Template, "bytes", {"families": {"say": []}}, "leave no template"),
    (sslp.Template, "bytes", {"families": {"say": ["{}"]}, "only": ["sya"]}, "nearest: say"),
    (sslp.Template, "bytes", {"families": {"say": ["{}"]}, "fold": (0, 3)}, "the i-th of k folds"),
    (sslp.Template, "bytes", {"families": {"say": ["{}"]}, "fold": (2, 2)}, "leave no template"),
    (sslp.Template, "bytes", {"families": {"say": ["{}"]}, "room": -1}, "expected a number of cells"),
    (sslp.Template, "bytes", {"families": {"say": ["{} and {}"]}}, "once, where the text goes"),
    (sslp.Template, "bytes", {"families": {"say": ["repeat"]}}, "once, where the text goes"),
    (
        sslp.Template,
        "bytes",
        {"families": {"say": ["Write that sentence: {}!!"]}},
        "got .Write that sentence: {}!!. of 23",
    ),
    (sslp.Crop, "logmel", {"size": (4, 12)}, "name it in axes or set resample=True"),
    (sslp.Crop, "image", {"axes": ["time"]}, "among y, x"),
    (sslp.Reversal, "image", {"axes": ["time"]}, "among y, x"),
    (sslp.Reversal, "image", {"axes": []}, "at least one of y, x"),
    (sslp.Crop, "image", {"scale": (0.5, 1.5)}, "scale is a number or an interval"),
    (sslp.Crop, "image", {"size": 0}, "positive integer"),
    (sslp.Crop, "image", {"size": (4, 4, 4)}, "one per axis"),
    (sslp.Crop, "image", {"jitter": 1.5}, "jitter is a number"),
    (sslp.Crop, "image", {"flip": 1.5}, "flip is a number"),
    (sslp.Crop, "image", {"hue": 0.7}, "hue is a number"),
    (sslp.Crop, "text", {"resample": True}, "set resample=False"),
]


@pytest.mark.parametrize(("build", "grid", "options", "sentence"), BAD)
def test_bad_options_are_refused_with_a_sentence(build, grid, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options).bind(GRIDS[grid])


@pytest.mark.parametrize("build", [sslp.Mask, sslp.Infill])
def test_holes_need_a_mask_token(build):
    with pytest.raises(ValueError, match="set the grid's mask_token"):
        build().bind(GridSpec.of(("position", 8), vocab=9))


def test_every_corruption_with_options_has_a_row():
    lost = {case.build for case in CORRUPTIONS} - {row[0] for row in BAD} - {sslp.Echo}
    names = ", ".join(sorted(cls.__name__ for cls in lost))
    assert not lost, f"add a row to BAD in this file, an option that is refused and the sentence, for {names}"
