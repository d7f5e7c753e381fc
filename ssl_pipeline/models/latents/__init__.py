"""Formats of the common latent, and the consensus of several views."""

from ssl_pipeline.models.latents.base import LatentFormat
from ssl_pipeline.models.latents.consensus import (
    FUSES,
    Consensus,
    MeanConsensus,
    RelaxedConsensus,
    consensus_loss,
)
from ssl_pipeline.models.latents.slots import Slots
from ssl_pipeline.models.latents.tokens import Tokens

__all__ = [
    "FUSES",
    "Consensus",
    "LatentFormat",
    "MeanConsensus",
    "RelaxedConsensus",
    "Slots",
    "Tokens",
    "consensus_loss",
]
