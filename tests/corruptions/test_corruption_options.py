"""Options that no corruption takes end in a sentence."""

from __future__ import annotations

import pytest
from helpers.cases import ALL_GRIDS, CORRUPTIONS

import ssl_pipeline as sslp
from ssl_pipeline.structures.grid import GridSpec

BAD = [
    (sslp.Noise, "image", {"sigma": -0.1}, "sigma is a number or an interval"),
    (sslp.Noise, "image", {"sigma": [0.5, 0.1]}, "sigma is a number or an interval"),
    (sslp.Noise, "image", {"sigma": 0.1, "snr_db": 3}, "one of sigma and snr_db"),
    (sslp.Noise, "wave", {"snr_db": [20, 0]}, "snr_db is a number or an interval"),
    (sslp.Noise, "image", {"severity": 6}, "severity is a number or an interval"),
    (sslp.AnyOf, "image", {"p": 2}, "p is a number or an interval"),
    (sslp.AnyOf, "image", {}, "any needs at least one"),
    (sslp.Mix, "text", {}, "got a discrete grid"),
    (sslp.Noise, "text", {"ratio": 1.5}, "between 0.0 and 1.0, got 1.5"),
    (sslp.Mask, "image", {"ratio": 1.0}, "ratio must be at least 0 and below 1, got 1.0"),
    (sslp.Mask, "image", {"ratio": 0.3, "severity": 2}, "leave one null"),
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
    (sslp.Shot, "text", {}, "Shot changes pictures, got a discrete grid of position"),
    (sslp.Shot, "image", {"photons": 0}, "photons is a number"),
    (sslp.Sensor, "wave", {}, "Sensor changes pictures, got a 1-channel grid of time"),
    (sslp.Sensor, "image", {"read": 0.1, "severity": 2}, "leave one null"),
    (sslp.Speckle, "logmel", {}, "last two axes are y and x"),
    (sslp.Speckle, "image", {"sigma": -1}, "sigma is a number"),
    (sslp.Blur, "image", {"kinds": ["blurry"]}, "some of gaussian, defocus, motion"),
    (sslp.Blur, "image", {"kinds": []}, "name at least one"),
    (sslp.Downscale, "image", {"factor": 0.5}, "factor is a number"),
    (sslp.Jpeg, "image", {"quality": 0}, "quality is a number"),
    (sslp.Exposure, "image", {"stops": 30}, "stops is a number"),
    (sslp.Gamma, "image", {"gamma": 0}, "gamma is a number"),
    (sslp.Contrast, "image", {"contrast": -1}, "contrast is a number"),
    (sslp.LowLight, "image", {"read": -1}, "read is a number"),
    (sslp.ColourCast, "grey", {}, "in red, green and blue, got a 1-channel grid of y, x"),
    (sslp.Haze, "image", {"airlight": 2}, "airlight is a number"),
    (sslp.Vignette, "image", {"loss": 1}, "loss is a number"),
    (sslp.Scratches, "image", {"count": -1}, "count is a number"),
    (sslp.Strokes, "image", {"width": 2}, "width is a number"),
    (sslp.Overlay, "image", {"opacity": 2}, "opacity is a number"),
    (sslp.Blocks, "image", {"fills": ["white"]}, "some of black, grey, noise"),
    (sslp.Turn, "image", {"degrees": [90]}, "needs y and x alike, got 8 x 12"),
    (sslp.Turn, "image", {"degrees": [45]}, "some of 0, 90, 180, 270"),
    (sslp.Turn, "text", {}, "needs y and x as the last two axes"),
    (sslp.Downscale, "image", {"up": ["bilinear"]}, "some of nearest, bicubic"),
    (sslp.Drop, "text", {"every": 3, "ratio": 0.1}, "one of every and ratio"),
    (sslp.Drop, "text", {"every": 3, "severity": 1}, "leave one null"),
    (sslp.Drop, "text", {"ratio": 1.5}, "ratio is a number"),
    (sslp.Infill, "text", {"ratio": 0.2, "severity": 1}, "leave one null"),
    (sslp.Shuffle, "image", {"unit": "word"}, "shuffle of words takes discrete grids"),
    (sslp.Shuffle, "text", {"separators": []}, "at least one symbol"),
    (sslp.Typos, "text", {}, "typos changes letters, .* got 50 symbols"),
    (sslp.Typos, "wave", {}, "typos takes discrete grids"),
    (sslp.Typos, "bytes", {"ratio": 1.5}, "ratio is a number"),
    (sslp.Typos, "bytes", {"kinds": ["swop"]}, "kinds are among neighbour, delete, double, swap, got .'swop'."),
    (sslp.OCR, "text", {}, "ocr changes letters"),
    (sslp.OCR, "bytes", {"severity": 0}, "severity is a number"),
    (sslp.Diacritics, "codes", {}, "diacritics takes discrete grids of one axis"),
    (sslp.Diacritics, "bytes", {"ratio": -1}, "ratio is a number"),
    (sslp.Case, "text", {}, "case changes letters"),
    (sslp.Case, "bytes", {"modes": []}, "modes are among upper, lower, swapped"),
    (sslp.Blanks, "image", {}, "blanks takes discrete grids"),
    (sslp.Blanks, "bytes", {"separators": []}, "at least one symbol"),
    (sslp.Blanks, "bytes", {"lost": 2}, "lost is a number"),
    (sslp.Mix, "wave", {"voices": 0}, "voices must be at least 1"),
    (sslp.Mix, "wave", {"snr_db": 3, "severity": 2}, "leave one null"),
    (sslp.Clipping, "logmel", {}, "clipping takes waveforms .* got logarithms along mel, time"),
    (sslp.Clipping, "wave", {"depth_db": -1}, "depth_db is a number"),
    (sslp.BandLimit, "image", {}, "band_limit takes waveforms .* and log-mel grids .* got values along y, x"),
    (sslp.BandLimit, "wave", {"high": 0}, "high is a number"),
    (sslp.BandLimit, "wave", {"low": 0.1, "severity": 1}, "leave one null"),
    (sslp.Quantize, "logmel", {}, "quantize takes waveforms"),
    (sslp.Quantize, "wave", {"bits": 1}, "bits is a number"),
    (sslp.PacketLoss, "text", {}, "got symbols along position"),
    (sslp.PacketLoss, "wave", {"ratio": 0.6}, "ratio is a number"),
    (sslp.PacketLoss, "wave", {"burst": 0.5}, "burst is a number"),
    (sslp.Reverb, "video", {}, "reverb takes waveforms"),
    (sslp.Reverb, "wave", {"rt60": 0}, "rt60 is a number"),
    (sslp.Hum, "logmel", {}, "hum takes waveforms"),
    (sslp.Hum, "wave", {}, r"below half the rate \(1 Hz\), got 60"),
    (sslp.Hum, "mains", {"frequency": []}, "at least one number of hertz"),
    (sslp.Hum, "mains", {"harmonics": 0}, "harmonics must be at least 1"),
    (sslp.Speed, "image", {}, "speed takes waveforms"),
    (sslp.Speed, "wave", {"change": -0.1}, "change is a number"),
]


@pytest.mark.parametrize(("build", "grid", "options", "sentence"), BAD)
def test_bad_options_are_refused_with_a_sentence(build, grid, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(**options).bind(ALL_GRIDS[grid])


@pytest.mark.parametrize("build", [sslp.Mask, sslp.Infill])
def test_holes_need_a_mask_token(build):
    with pytest.raises(ValueError, match="set the grid's mask_token"):
        build().bind(GridSpec.of(("position", 8), vocab=9))


def test_every_corruption_with_options_has_a_row():
    lost = {case.build for case in CORRUPTIONS} - {row[0] for row in BAD} - {sslp.Echo}
    names = ", ".join(sorted(cls.__name__ for cls in lost))
    assert not lost, f"add a row to BAD in this file, an option that is refused and the sentence, for {names}"
