"""Corruptions: maps from view to view. ``conf/corruption`` names them for the command line."""

from ssl_pipeline.corruptions.any_of import AnyOf
from ssl_pipeline.corruptions.band_limit import BandLimit
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.corruptions.blanks import Blanks
from ssl_pipeline.corruptions.case import Case
from ssl_pipeline.corruptions.chain import Chain
from ssl_pipeline.corruptions.clipping import Clipping
from ssl_pipeline.corruptions.crop import Crop
from ssl_pipeline.corruptions.diacritics import Diacritics
from ssl_pipeline.corruptions.drop import Drop
from ssl_pipeline.corruptions.echo import Echo
from ssl_pipeline.corruptions.hum import Hum
from ssl_pipeline.corruptions.infill import Infill
from ssl_pipeline.corruptions.lowres import LowRes
from ssl_pipeline.corruptions.mask import Mask
from ssl_pipeline.corruptions.mix import Mix
from ssl_pipeline.corruptions.noise import Noise
from ssl_pipeline.corruptions.ocr import OCR
from ssl_pipeline.corruptions.packet_loss import PacketLoss
from ssl_pipeline.corruptions.quantize import Quantize
from ssl_pipeline.corruptions.reverb import Reverb
from ssl_pipeline.corruptions.reversal import Reversal
from ssl_pipeline.corruptions.salt_pepper import SaltPepper
from ssl_pipeline.corruptions.shuffle import Shuffle
from ssl_pipeline.corruptions.speed import Speed
from ssl_pipeline.corruptions.template import Template
from ssl_pipeline.corruptions.typos import Typos

__all__ = [
    "OCR",
    "AnyOf",
    "BandLimit",
    "Blanks",
    "Case",
    "Chain",
    "Clipping",
    "Corruption",
    "Crop",
    "Diacritics",
    "Drop",
    "Echo",
    "Hum",
    "Infill",
    "LowRes",
    "Mask",
    "Mix",
    "Noise",
    "PacketLoss",
    "Quantize",
    "Reverb",
    "Reversal",
    "SaltPepper",
    "Shuffle",
    "Speed",
    "Template",
    "Typos",
]
