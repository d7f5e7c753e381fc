"""Building blocks that encoders, latents and decoders share."""

from ssl_pipeline.models.layers.action_trunk import ActionTrunk
from ssl_pipeline.models.layers.attention import CrossBlock
from ssl_pipeline.models.layers.causal import CausalBlock
from ssl_pipeline.models.layers.ngrams import NGrams
from ssl_pipeline.models.layers.normalize import Normalize
from ssl_pipeline.models.layers.patches import Patches, first_true, pick
from ssl_pipeline.models.layers.pooling import CellMean, cell_means, masked_mean, pool_cells
from ssl_pipeline.models.layers.position_codes import sincos
from ssl_pipeline.models.layers.projector import Projector
from ssl_pipeline.models.layers.prototypes import Prototypes
from ssl_pipeline.models.layers.trunk import Trunk

__all__ = [
    "ActionTrunk",
    "CausalBlock",
    "CellMean",
    "CrossBlock",
    "NGrams",
    "Normalize",
    "Patches",
    "Projector",
    "Prototypes",
    "Trunk",
    "cell_means",
    "first_true",
    "masked_mean",
    "pick",
    "pool_cells",
    "sincos",
]
