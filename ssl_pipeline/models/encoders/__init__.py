"""Encoders: views in, latents out, most weights shared."""

from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.conv import ConvEncoder
from ssl_pipeline.models.encoders.patch_embed import PatchStem
from ssl_pipeline.models.encoders.timm_torchvision import TimmBackbone, TorchvisionBackbone
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.encoders.vit import ViT

__all__ = [
    "ConvEncoder",
    "Encoder",
    "PatchStem",
    "TimmBackbone",
    "TorchvisionBackbone",
    "ViT",
    "ViewEmbedding",
]
