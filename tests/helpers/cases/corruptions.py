"""A row for each corruption, in one setting or several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from helpers.cases.grids import CONTINUOUS, GRIDS, PICTURES, SOUNDS, TEXTS

from ssl_pipeline.corruptions import (
    OCR,
    AnyOf,
    BandLimit,
    Blanks,
    Blocks,
    Blur,
    Case,
    Clipping,
    ColourCast,
    Contrast,
    Corruption,
    Crop,
    Diacritics,
    Downscale,
    Drop,
    Echo,
    Exposure,
    Gamma,
    Haze,
    Hum,
    Infill,
    Jpeg,
    LowLight,
    LowRes,
    Mask,
    Mix,
    MultiBlock,
    Noise,
    Overlay,
    PacketLoss,
    Quantize,
    Reverb,
    Reversal,
    SaltPepper,
    Scratches,
    Sensor,
    Shot,
    Shuffle,
    Speckle,
    Speed,
    Strokes,
    Template,
    Turn,
    Typos,
    Vignette,
)


class CorruptionCase(NamedTuple):
    """One setting of a corruption and the grids that it must work on."""

    name: str  # of the YAML file
    build: type[Corruption]
    options: Mapping[str, Any]
    grids: tuple[str, ...] = tuple(GRIDS)
    identity: Mapping[str, Any] | None = None  # options of severity 0, where there is one
    random: bool = True
    alone: bool = True  # samples do not see each other


PARAPHRASES = {"families": {"say": ["Say again: {}", "Write {} twice", "{}, please"], "sag": ["Sag {}"]}}
_STILL = {"flip": 0.0, "jitter": 0.0, "grayscale": 0.0, "blur": 0.0}
CORRUPTIONS = (
    CorruptionCase("echo", Echo, {}, identity={}, random=False),
    CorruptionCase("noise", Noise, {"ratio": (0.3, 0.6)}, identity={"sigma": 0.0, "ratio": 0.0}),
    CorruptionCase("noise", Noise, {"snr_db": 5, "colour": (0.0, 2.0)}, grids=CONTINUOUS),
    CorruptionCase("noise", Noise, {"sigma": 0.1, "colour": 1.0}, grids=CONTINUOUS),
    CorruptionCase("mix", Mix, {}, grids=CONTINUOUS, alone=False),
    CorruptionCase("mask", Mask, {}, identity={"ratio": 0.0}),
    CorruptionCase("mask", Mask, {"shape": "block", "ratio": 0.4, "cell": 2, "fill": 0.5}),
    CorruptionCase("mask", Mask, {"shape": "rectangles", "ratio": 0.4, "cell": 1, "blocks": 2, "scale": 0.3}),
    CorruptionCase("mask", Mask, {"ratio": 0.5, "cell": 1, "fill": "noise"}, grids=CONTINUOUS),
    CorruptionCase("mask", Mask, {"ratio": 0.5, "cell": (None, 2)}, grids=("image", "codes", "logmel")),
    CorruptionCase("mask", Mask, {"random_share": 0.1, "keep_share": 0.1}, grids=(*TEXTS, "codes")),
    CorruptionCase("mask", Mask, {"ratio": (0.1, 0.8), "cell": 2}, identity={"ratio": 0.0}),
    CorruptionCase("any", AnyOf, {"noise": Noise(), "mask": Mask(cell=2), "shuffle": Shuffle()}),
    CorruptionCase("any", AnyOf, {"crop": Crop(), "lowres": LowRes(), "p": 0.7, "weights": {"crop": 3}}),
    CorruptionCase("multiblock", MultiBlock, {}, grids=("image", "grey", "video", "logmel", *TEXTS)),
    CorruptionCase("multiblock", MultiBlock, {"cell": 1, "targets": 2, "scale": 0.2, "fill": 0.5}, grids=CONTINUOUS),
    CorruptionCase("infill", Infill, {}, grids=TEXTS, identity={"ratio": 0.0}),
    CorruptionCase("drop", Drop, {}, grids=TEXTS),
    CorruptionCase("drop", Drop, {"every": 2, "unit": "word", "separators": tuple(range(0, 258, 4))}, grids=TEXTS),
    CorruptionCase("lowres", LowRes, {}, identity={"factor": 1}, random=False),
    CorruptionCase("lowres", LowRes, {"factor": [1, 2, 4], "upsample": "nearest"}),
    CorruptionCase("lowres", LowRes, {"factor": (2, 4)}, grids=("image", "grey", "codes"), random=False),
    CorruptionCase("lowres", LowRes, {"upsample": "hold"}, grids=CONTINUOUS, identity={"factor": 1}, random=False),
    CorruptionCase("lowres", LowRes, {"upsample": "sinc"}, grids=CONTINUOUS, identity={"factor": 1}, random=False),
    CorruptionCase("reversal", Reversal, {}, random=False),
    CorruptionCase("reversal", Reversal, {"axes": ["y"]}, grids=("image", "grey", "video", "codes"), random=False),
    CorruptionCase("reversal", Reversal, {"unit": "word", "separators": tuple(range(30))}, grids=TEXTS, random=False),
    CorruptionCase("salt_pepper", SaltPepper, {"ratio": 0.2}, grids=CONTINUOUS, identity={"ratio": 0.0}),
    CorruptionCase("shuffle", Shuffle, {}),
    CorruptionCase("shuffle", Shuffle, {"window": 1, "axis": "y"}, grids=("image", "grey", "video", "codes")),
    CorruptionCase("template", Template, PARAPHRASES, grids=("bytes",), identity={"families": {"say": ["{}"]}}),
    CorruptionCase("template", Template, PARAPHRASES | {"only": ["say"], "fold": (1, 2), "room": 8}, grids=("bytes",)),
    CorruptionCase("mix", Mix, {"voices": 3, "severity": (2, 4)}, grids=CONTINUOUS, alone=False),
    CorruptionCase("clipping", Clipping, {"depth_db": (1, 9)}, grids=("wave", "mains"), identity={"depth_db": 0}),
    CorruptionCase("band_limit", BandLimit, {}, grids=SOUNDS, identity={"high": 1.0}),
    CorruptionCase("band_limit", BandLimit, {"high": 0.7, "low": 0.1}, grids=SOUNDS, random=False),
    CorruptionCase("quantize", Quantize, {}, grids=("wave", "mains"), identity={"bits": 24}),
    CorruptionCase("quantize", Quantize, {"bits": 8, "law": "mu"}, grids=("wave",), random=False),
    CorruptionCase("packet_loss", PacketLoss, {"ratio": 0.4}, grids=SOUNDS, identity={"ratio": 0.0}),
    CorruptionCase("reverb", Reverb, {"rt60": (1.0, 9.0)}, grids=SOUNDS, identity={"drr_db": 150.0}),
    CorruptionCase("hum", Hum, {}, grids=("mains",), identity={"snr_db": 120.0}),
    CorruptionCase("speed", Speed, {}, grids=SOUNDS, identity={"change": 0.0}),
    CorruptionCase("typos", Typos, {"ratio": 0.5}, grids=("bytes",), identity={"ratio": 0.0}),
    CorruptionCase("ocr", OCR, {"ratio": 0.5}, grids=("bytes",), identity={"ratio": 0.0}),
    CorruptionCase("ocr", OCR, {"severity": 5, "merge": True}, grids=("bytes",), identity={"ratio": 0, "merge": True}),
    # Random bytes hold hardly any accent, so that nothing is left to chance.
    CorruptionCase("diacritics", Diacritics, {"ratio": 1.0}, grids=("bytes",), identity={"ratio": 0.0}, random=False),
    CorruptionCase("case", Case, {}, grids=("bytes",), identity={"ratio": 0.0}),
    CorruptionCase("blanks", Blanks, {"separators": tuple(range(0, 258, 4))}, grids=TEXTS, identity={"ratio": 0.0}),
    CorruptionCase("drop", Drop, {"severity": (2, 5)}, grids=TEXTS, identity={"ratio": 0.0}),
    CorruptionCase("drop", Drop, {"ratio": 0.5, "unit": "word", "separators": tuple(range(0, 258, 4))}, grids=TEXTS),
    CorruptionCase("infill", Infill, {"severity": (1, 5), "empty": False}, grids=TEXTS, identity={"ratio": (0, 0)}),
    CorruptionCase("shuffle", Shuffle, {"unit": "word", "separators": tuple(range(0, 258, 4))}, grids=TEXTS),
    CorruptionCase("crop", Crop, {}, identity={"scale": 1.0, "ratio": 1.0, **_STILL}),
    CorruptionCase("crop", Crop, {"resample": True, "blur": 0.5, "flip": 0.5}, grids=CONTINUOUS),
    CorruptionCase("crop", Crop, {"resample": False, "flip": 0.5}),
    CorruptionCase("shot", Shot, {}, grids=PICTURES),
    CorruptionCase("shot", Shot, {"photons": (2, 200)}, grids=PICTURES),
    CorruptionCase("sensor", Sensor, {}, grids=PICTURES, identity={"shot": 0.0}),
    CorruptionCase("speckle", Speckle, {}, grids=PICTURES, identity={"sigma": 0.0}),
    CorruptionCase("blur", Blur, {}, grids=PICTURES, identity={"sigma": 0.0}),
    CorruptionCase("downscale", Downscale, {}, grids=PICTURES, identity={"factor": 1.0}),
    CorruptionCase("jpeg", Jpeg, {}, grids=PICTURES),
    CorruptionCase("exposure", Exposure, {}, grids=PICTURES, identity={"stops": 0.0}),
    CorruptionCase("gamma", Gamma, {}, grids=PICTURES, identity={"gamma": 1.0}),
    CorruptionCase("contrast", Contrast, {}, grids=PICTURES, identity={"contrast": 1.0}),
    CorruptionCase("low_light", LowLight, {}, grids=PICTURES),
    CorruptionCase("colour_cast", ColourCast, {}, grids=("image",), identity={"stops": 0.0}),
    CorruptionCase("haze", Haze, {}, grids=PICTURES, identity={"density": 0.0}),
    CorruptionCase("vignette", Vignette, {}, grids=PICTURES, identity={"loss": 0.0}),
    CorruptionCase("scratches", Scratches, {}, grids=PICTURES, identity={"count": 0.0}),
    CorruptionCase("strokes", Strokes, {}, grids=PICTURES, identity={"count": 0.0}),
    CorruptionCase("overlay", Overlay, {}, grids=PICTURES, identity={"opacity": 0.0}),
    CorruptionCase("blocks", Blocks, {}, grids=PICTURES, identity={"count": 0.0}),
    CorruptionCase("turn", Turn, {"mirror": 0.5}, grids=(*PICTURES, "codes"), identity={"degrees": [0]}),
    CorruptionCase("turn", Turn, {}, grids=("image",), random=False),
)
