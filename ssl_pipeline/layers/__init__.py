"""Building blocks that encoders, latents and decoders share."""

from ssl_pipeline.layers.attention import CrossBlock
from ssl_pipeline.layers.causal import CausalBlock
from ssl_pipeline.layers.ngrams import NGrams
from ssl_pipeline.layers.patches import Patches, first_true, pick
from ssl_pipeline.layers.pooling import CellMean, cell_means, masked_mean, pool_cells
from ssl_pipeline.layers.position import sincos
from ssl_pipeline.layers.projector import Projector
from ssl_pipeline.layers.prototypes import Prototypes
from ssl_pipeline.layers.standardise import Standardise
from ssl_pipeline.layers.trunk import Trunk

__all__ = [
    "CausalBlock",
    "CellMean",
    "CrossBlock",
    "NGrams",
    "Patches",
    "Projector",
    "Prototypes",
    "Standardise",
    "Trunk",
    "cell_means",
    "first_true",
    "masked_mean",
    "pick",
    "pool_cells",
    "sincos",
]
