"""Decoders: from the latent back to data, or to a teacher's latent."""

from ssl_pipeline.decoders.autoregressive import AutoregressiveDecoder
from ssl_pipeline.decoders.base import Decoder
from ssl_pipeline.decoders.conv import ConvDecoder
from ssl_pipeline.decoders.query import QueryDecoder

__all__ = ["AutoregressiveDecoder", "ConvDecoder", "Decoder", "QueryDecoder"]
