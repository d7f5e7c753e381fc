"""Corruptions: maps from view to view. ``conf/corruption`` names them for the command line."""

from ssl_pipeline.corruptions.any_of import AnyOf
from ssl_pipeline.corruptions.band_limit import BandLimit
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.corruptions.blanks import Blanks
from ssl_pipeline.corruptions.blocks import Blocks
from ssl_pipeline.corruptions.blur import Blur
from ssl_pipeline.corruptions.case import Case
from ssl_pipeline.corruptions.chain import Chain
from ssl_pipeline.corruptions.clipping import Clipping
from ssl_pipeline.corruptions.colour_cast import ColourCast
from ssl_pipeline.corruptions.contrast import Contrast
from ssl_pipeline.corruptions.crop import Crop
from ssl_pipeline.corruptions.diacritics import Diacritics
from ssl_pipeline.corruptions.downscale import Downscale
from ssl_pipeline.corruptions.drop import Drop
from ssl_pipeline.corruptions.echo import Echo
from ssl_pipeline.corruptions.exposure import Exposure
from ssl_pipeline.corruptions.gamma import Gamma
from ssl_pipeline.corruptions.haze import Haze
from ssl_pipeline.corruptions.hum import Hum
from ssl_pipeline.corruptions.infill import Infill
from ssl_pipeline.corruptions.jpeg import Jpeg
from ssl_pipeline.corruptions.low_light import LowLight
from ssl_pipeline.corruptions.lowres import LowRes
from ssl_pipeline.corruptions.mask import Mask
from ssl_pipeline.corruptions.mix import Mix
from ssl_pipeline.corruptions.multiblock import MultiBlock
from ssl_pipeline.corruptions.noise import Noise
from ssl_pipeline.corruptions.ocr import OCR
from ssl_pipeline.corruptions.overlay import Overlay
from ssl_pipeline.corruptions.packet_loss import PacketLoss
from ssl_pipeline.corruptions.quantize import Quantize
from ssl_pipeline.corruptions.reverb import Reverb
from ssl_pipeline.corruptions.reversal import Reversal
from ssl_pipeline.corruptions.salt_pepper import SaltPepper
from ssl_pipeline.corruptions.scratches import Scratches
from ssl_pipeline.corruptions.sensor import Sensor
from ssl_pipeline.corruptions.shot import Shot
from ssl_pipeline.corruptions.shuffle import Shuffle
from ssl_pipeline.corruptions.speckle import Speckle
from ssl_pipeline.corruptions.speed import Speed
from ssl_pipeline.corruptions.strokes import Strokes
from ssl_pipeline.corruptions.template import Template
from ssl_pipeline.corruptions.turn import Turn
from ssl_pipeline.corruptions.typos import Typos
from ssl_pipeline.corruptions.vignette import Vignette

__all__ = [
    "OCR",
    "AnyOf",
    "BandLimit",
    "Blanks",
    "Blocks",
    "Blur",
    "Case",
    "Chain",
    "Clipping",
    "ColourCast",
    "Contrast",
    "Corruption",
    "Crop",
    "Diacritics",
    "Downscale",
    "Drop",
    "Echo",
    "Exposure",
    "Gamma",
    "Haze",
    "Hum",
    "Infill",
    "Jpeg",
    "LowLight",
    "LowRes",
    "Mask",
    "Mix",
    "MultiBlock",
    "Noise",
    "Overlay",
    "PacketLoss",
    "Quantize",
    "Reverb",
    "Reversal",
    "SaltPepper",
    "Scratches",
    "Sensor",
    "Shot",
    "Shuffle",
    "Speckle",
    "Speed",
    "Strokes",
    "Template",
    "Turn",
    "Typos",
    "Vignette",
]
