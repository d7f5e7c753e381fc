"""Decoders: from the latent back to data, or to a teacher's latent."""

from ssl_pipeline.models.decoders.autoregressive import AutoregressiveDecoder
from ssl_pipeline.models.decoders.base import Decoder
from ssl_pipeline.models.decoders.conv import ConvDecoder
from ssl_pipeline.models.decoders.cross_attention import CrossAttentionDecoder
from ssl_pipeline.models.decoders.unet import UNetDecoder

__all__ = ["AutoregressiveDecoder", "ConvDecoder", "CrossAttentionDecoder", "Decoder", "UNetDecoder"]
