"""Encoders: views in, latents out, most weights shared."""

from ssl_pipeline.encoders.backbone import TimmBackbone, TorchvisionBackbone
from ssl_pipeline.encoders.base import Encoder
from ssl_pipeline.encoders.conv import ConvEncoder
from ssl_pipeline.encoders.embedding import ViewEmbedding
from ssl_pipeline.encoders.stem import PatchStem
from ssl_pipeline.encoders.transformer import TransformerEncoder

__all__ = [
    "ConvEncoder",
    "Encoder",
    "PatchStem",
    "TimmBackbone",
    "TorchvisionBackbone",
    "TransformerEncoder",
    "ViewEmbedding",
]
