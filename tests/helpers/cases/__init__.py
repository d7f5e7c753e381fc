"""Tables of everything that can be put into a graph; a test fails while something is missing from them."""

from helpers.cases.callbacks import CALLBACKS, CallbackCase
from helpers.cases.corruptions import CORRUPTIONS
from helpers.cases.grids import ALL_GRIDS, CONTINUOUS, GRIDS, sample
from helpers.cases.losses import LOSSES
from helpers.cases.models import DECODERS, ENCODERS, LATENTS

__all__ = [
    "ALL_GRIDS",
    "CALLBACKS",
    "CONTINUOUS",
    "CORRUPTIONS",
    "DECODERS",
    "ENCODERS",
    "GRIDS",
    "LATENTS",
    "LOSSES",
    "CallbackCase",
    "sample",
]
