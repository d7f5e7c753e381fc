"""Corruptions: maps from view to view. ``conf/corruption`` names them for the command line."""

from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.corruptions.chain import Chain
from ssl_pipeline.corruptions.crop import Crop
from ssl_pipeline.corruptions.drop import Drop
from ssl_pipeline.corruptions.echo import Echo
from ssl_pipeline.corruptions.infill import Infill
from ssl_pipeline.corruptions.lowres import LowRes
from ssl_pipeline.corruptions.mask import Mask
from ssl_pipeline.corruptions.mix import Mix
from ssl_pipeline.corruptions.multiblock import MultiBlock
from ssl_pipeline.corruptions.noise import Noise
from ssl_pipeline.corruptions.reversal import Reversal
from ssl_pipeline.corruptions.salt_pepper import SaltPepper
from ssl_pipeline.corruptions.shuffle import Shuffle
from ssl_pipeline.corruptions.template import Template

__all__ = [
    "Chain",
    "Corruption",
    "Crop",
    "Drop",
    "Echo",
    "Infill",
    "LowRes",
    "Mask",
    "Mix",
    "MultiBlock",
    "Noise",
    "Reversal",
    "SaltPepper",
    "Shuffle",
    "Template",
]
