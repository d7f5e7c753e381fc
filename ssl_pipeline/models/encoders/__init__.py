"""Encoders: views in, latents out, most weights shared."""

from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.choose import as_encoder, attach_module, encoder_choice, trained_before
from ssl_pipeline.models.encoders.conv import ConvEncoder
from ssl_pipeline.models.encoders.module import ModuleEncoder
from ssl_pipeline.models.encoders.ngram_bag import NGramBag
from ssl_pipeline.models.encoders.outside import UserModule
from ssl_pipeline.models.encoders.patch_embed import PatchStem
from ssl_pipeline.models.encoders.timm_models import TimmBackbone
from ssl_pipeline.models.encoders.torchvision_models import TorchvisionBackbone
from ssl_pipeline.models.encoders.unet import UNetEncoder
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.encoders.vit import ViT

__all__ = [
    "ConvEncoder",
    "Encoder",
    "ModuleEncoder",
    "NGramBag",
    "PatchStem",
    "TimmBackbone",
    "TorchvisionBackbone",
    "UNetEncoder",
    "UserModule",
    "ViT",
    "ViewEmbedding",
    "as_encoder",
    "attach_module",
    "encoder_choice",
    "trained_before",
]
