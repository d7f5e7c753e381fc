"""Tables of everything that can be put into a graph; a test fails while something is missing from them."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import torch

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
from ssl_pipeline.lab.callbacks import InverseDeltas, ProtectGradients, ProtectWeights
from ssl_pipeline.losses import (
    CLIP,
    L1,
    MSE,
    NNCLR,
    Alignment,
    BarlowTwins,
    Centering,
    Charbonnier,
    CrossEntropy,
    InfoNCE,
    JensenShannon,
    LogMelL1,
    MoCo,
    MultiResolutionSTFT,
    NormalizedPatches,
    PairLoss,
    ReconstructionLoss,
    SelfDistillation,
    SIGReg,
    Sinkhorn,
    SmoothL1,
    SymmetricKL,
    VICReg,
)
from ssl_pipeline.models.decoders import (
    AutoregressiveDecoder,
    ConvDecoder,
    CrossAttentionDecoder,
    Decoder,
    UNetDecoder,
)
from ssl_pipeline.models.encoders import (
    ConvEncoder,
    Encoder,
    NGramBag,
    TimmBackbone,
    TorchvisionBackbone,
    UNetEncoder,
    ViT,
)
from ssl_pipeline.models.latents import Slots, Tokens
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training import GraphCallback

GRIDS = {
    "wave": GridSpec.of(("time", 32, 0.5), channels=1, range=(-1.0, 1.0), signal=True),
    "image": GridSpec.of(("y", 8), ("x", 12), channels=3),
    "grey": GridSpec.of(("y", 12), ("x", 8), channels=1),
    "video": GridSpec.of(("time", 4, 0.04), ("y", 8), ("x", 12), channels=2),
    "text": GridSpec.of(("position", 16), vocab=50, mask_token=1),
    "codes": GridSpec.of(("y", 4), ("x", 8), vocab=30, mask_token=29),
    "logmel": GridSpec.of(("mel", 8), ("time", 12, 0.01), channels=1, range=(-14.0, 6.0), log=True),
    "bytes": GridSpec.of(("position", 24), vocab=258, mask_token=257, end_token=256),
}

ALL_GRIDS = GRIDS | {"mains": GridSpec.of(("time", 64, 1 / 250), channels=2, range=(-1.0, 1.0), signal=True)}
"""Those that a single corruption asks for, too."""


def sample(grid: GridSpec, batch: int = 6, seed: int = 0) -> View:
    """A clean view of random content."""
    generator = torch.Generator().manual_seed(seed)
    if grid.vocab is not None:
        tokens = torch.randint(2, grid.vocab - 1, (batch, *grid.shape), generator=generator)
        return clean_view(grid, tokens)
    low, high = grid.range
    return clean_view(grid, low + (high - low) * torch.rand((batch, grid.channels, *grid.shape), generator=generator))


class CorruptionCase(NamedTuple):
    """One setting of a corruption and the grids that it must work on."""

    name: str  # of the YAML file
    build: type[Corruption]
    options: Mapping[str, Any]
    grids: tuple[str, ...] = tuple(GRIDS)
    identity: Mapping[str, Any] | None = None  # options of severity 0, where there is one
    random: bool = True
    alone: bool = True  # samples do not see each other


CONTINUOUS = ("wave", "image", "grey", "video", "logmel")
TEXTS = ("text", "bytes")
PICTURES = ("image", "grey", "video")
SOUNDS = ("wave", "mains", "logmel")
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


class EncoderCase(NamedTuple):
    """One setting of an encoder and the grids that it must work on."""

    name: str  # of the YAML file
    build: type[Encoder]
    options: Mapping[str, Any]
    grids: tuple[str, ...]


ENCODERS = (
    EncoderCase("vit", ViT, {"width": 24, "depth": 2, "heads": 2}, tuple(GRIDS)),
    EncoderCase("vit", ViT, {"width": 24, "depth": 1, "heads": 2, "masked": "keep"}, tuple(GRIDS)),
    EncoderCase("vit", ViT, {"width": 24, "depth": 1, "heads": 2, "masked": "token"}, tuple(GRIDS)),
    EncoderCase("vit", ViT, {"width": 24, "depth": 1, "heads": 2, "ngrams": 3, "buckets": 64}, ("text",)),
    EncoderCase("ngram_bag", NGramBag, {"width": 24, "ngrams": 3, "buckets": 64}, ("text",)),
    EncoderCase("conv", ConvEncoder, {"widths": [8, 16]}, CONTINUOUS),
    EncoderCase("conv", ConvEncoder, {"widths": [8, 16, 8], "dense_connections": True}, CONTINUOUS),
    EncoderCase("conv", ConvEncoder, {"widths": [16], "blocks": 2, "norm": "group", "pool": 2}, CONTINUOUS),
    EncoderCase("unet", UNetEncoder, {"widths": [8, 16, 12], "blocks": 1, "fold": 1, "pool": 2}, CONTINUOUS),
    EncoderCase("unet", UNetEncoder, {"widths": [8, 16], "fold": 2}, ("image", "video")),
    EncoderCase("timm", TimmBackbone, {"name": "resnet10t"}, ("image", "grey")),
    EncoderCase(
        "timm",
        TimmBackbone,
        {
            "name": "vit_tiny_patch16_224",
            "options": {"patch_size": [2, 3], "embed_dim": 24, "depth": 2, "num_heads": 2},
        },
        ("image",),
    ),
    EncoderCase(
        "timm",
        TimmBackbone,
        {
            "name": "vit_tiny_patch16_224",
            "options": {"patch_size": 4, "embed_dim": 24, "depth": 1, "num_heads": 2},
            "masked": "token",
        },
        ("image",),
    ),
    EncoderCase("torchvision", TorchvisionBackbone, {"name": "mobilenet_v3_small", "view_drop": 0.0}, ("image",)),
    EncoderCase("torchvision", TorchvisionBackbone, {"name": "resnet18", "node": "layer2"}, ("image", "grey")),
)


class DecoderCase(NamedTuple):
    """One setting of a decoder and the grids that it must work on."""

    name: str  # of the YAML file
    build: type[Decoder]
    options: Mapping[str, Any]
    grids: tuple[str, ...]


DECODERS = (
    DecoderCase("cross_attention", CrossAttentionDecoder, {"width": 24, "depth": 1, "heads": 2}, tuple(GRIDS)),
    DecoderCase("conv", ConvDecoder, {"widths": [8, 16]}, CONTINUOUS),
    DecoderCase("conv", ConvDecoder, {"widths": [8], "norm": "batch", "patch": 2}, CONTINUOUS),
    DecoderCase("unet", UNetDecoder, {"blocks": 1}, CONTINUOUS),
    DecoderCase("autoregressive", AutoregressiveDecoder, {"width": 24, "depth": 1, "heads": 2}, ("text",)),
    DecoderCase(
        "autoregressive",
        AutoregressiveDecoder,
        {"width": 24, "depth": 2, "heads": 2, "context": 3, "token_drop": 0.5},
        ("text",),
    ),
    DecoderCase("autoregressive", AutoregressiveDecoder, {"width": 24, "heads": 2, "context": 0}, ("text",)),
)


class LatentCase(NamedTuple):
    """One setting of a latent format."""

    name: str  # of the YAML file
    build: type[torch.nn.Module]
    options: Mapping[str, Any]


LATENTS = (
    LatentCase("tokens", Tokens, {}),
    LatentCase("slots", Slots, {"slots": 3, "heads": 2}),
    LatentCase("slots", Slots, {"slots": 2, "slot_width": 8, "heads": 2, "fuse": "mean"}),
    LatentCase("slots", Slots, {"slots": 2, "heads": 2, "fuse": "relaxed"}),
)


class LossCase(NamedTuple):
    """One setting of a loss; ``name`` is that of the objective's YAML file that uses it."""

    name: str
    build: type[PairLoss] | type[ReconstructionLoss]
    options: Mapping[str, Any]
    best: float = 0.0  # of a reconstruction that is perfect

    def make(self) -> Any:
        """A fresh one, whose parts have no memory yet."""
        made = self.build(**deepcopy(dict(self.options)))
        return made.bind(GRIDS["wave"]) if isinstance(made, Bindable) else made


LOSSES = (
    LossCase("reconstruct", MSE, {}),
    LossCase("l1", L1, {}),
    LossCase("smooth_l1", SmoothL1, {"beta": 0.5}),
    LossCase("charbonnier", Charbonnier, {"eps": 0.1}, best=0.1),
    LossCase("patchnorm", NormalizedPatches, {}),
    LossCase("cross_entropy", CrossEntropy, {}),
    LossCase("translate", MSE, {}),
    LossCase("transition", MSE, {}),
    LossCase("consistency", JensenShannon, {}),
    LossCase("consistency", SymmetricKL, {}),
    LossCase("stft", MultiResolutionSTFT, {"sizes": (8, 16)}),
    LossCase("logmel", LogMelL1, {"n_fft": 16, "hop": 4, "mels": 4}),
    LossCase("align", Alignment, {}),
    LossCase("info_nce", InfoNCE, {}),
    LossCase("clip", CLIP, {}),
    LossCase("vicreg", VICReg, {}),
    LossCase("barlow", BarlowTwins, {}),
    LossCase("sigreg", SIGReg, {"directions": 32}),
    LossCase("byol", Alignment, {}),
    LossCase("moco", MoCo, {"width": 6, "size": 12}),
    LossCase("nnclr", NNCLR, {"width": 6, "size": 12}),
    LossCase("dino", SelfDistillation, {"balance": Centering(6)}),
    LossCase("swav", SelfDistillation, {"balance": Sinkhorn()}),
    LossCase("ibot", SelfDistillation, {"balance": Centering(6)}),
    LossCase("jepa", SmoothL1, {}),
)


class CallbackCase(NamedTuple):
    """One setting of a callback."""

    name: str  # of the YAML file
    build: type[GraphCallback]
    options: Mapping[str, Any]


CALLBACKS = (
    CallbackCase("gradient_protection", ProtectGradients, {}),
    CallbackCase("gradient_protection", ProtectGradients, {"over": "sample", "mean": False}),
    CallbackCase("gradient_protection", ProtectGradients, {"over": "batch", "scale": 0.1}),
    CallbackCase("gradient_protection", ProtectGradients, {"scale": None, "weights": 1e-2}),
    CallbackCase("inverse_delta", InverseDeltas, {}),
    CallbackCase("weight_protection", ProtectWeights, {"every": 1}),
    CallbackCase("weight_protection", ProtectWeights, {"every": 1, "strength": 0.1, "low": 0.5, "high": 1.0}),
)
