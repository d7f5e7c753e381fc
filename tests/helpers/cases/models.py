"""A row for each encoder, latent format and decoder, in one setting or several."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from helpers.cases.grids import CONTINUOUS, GRIDS

from ssl_pipeline.models.decoders import AutoregressiveDecoder, ConvDecoder, CrossAttentionDecoder, Decoder, UNetDecoder
from ssl_pipeline.models.encoders import (
    ConvEncoder,
    Encoder,
    NGramBag,
    TimmBackbone,
    TorchvisionBackbone,
    UNetEncoder,
    ViT,
)
from ssl_pipeline.models.estimates import DctShrinkage, FlatFilling, RunInterpolation
from ssl_pipeline.models.latents import Slots, Tokens


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
    EncoderCase("unet", UNetEncoder, {"widths": [8, 16, 12], "blocks": 1, "fold": 1, "pool": 2}, tuple(GRIDS)),
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


class DecoderCase(NamedTuple):
    """One setting of a decoder and the grids that it must work on."""

    name: str  # of the YAML file
    build: type[Decoder]
    options: Mapping[str, Any]
    grids: tuple[str, ...]


ESTIMATES = {
    "shrinkage": partial(DctShrinkage, thresholds=[1.6, 3.0], wiener=True, blocks=[6.0]),
    "filling": FlatFilling,
    "interpolation": RunInterpolation,
}
"""All there are, by any names."""

DECODERS = (
    DecoderCase("cross_attention", CrossAttentionDecoder, {"width": 24, "depth": 1, "heads": 2}, tuple(GRIDS)),
    DecoderCase("conv", ConvDecoder, {"widths": [8, 16]}, CONTINUOUS),
    DecoderCase("conv", ConvDecoder, {"widths": [8], "norm": "batch", "patch": 2}, CONTINUOUS),
    DecoderCase("unet", UNetDecoder, {"blocks": 1}, tuple(GRIDS)),
    DecoderCase("unet", UNetDecoder, {"blocks": 1, "estimates": ESTIMATES}, CONTINUOUS),
    DecoderCase("autoregressive", AutoregressiveDecoder, {"width": 24, "depth": 1, "heads": 2}, ("text",)),
    DecoderCase(
        "autoregressive",
        AutoregressiveDecoder,
        {"width": 24, "depth": 2, "heads": 2, "context": 3, "token_drop": 0.5},
        ("text",),
    ),
    DecoderCase("autoregressive", AutoregressiveDecoder, {"width": 24, "heads": 2, "context": 0}, ("text",)),
)
