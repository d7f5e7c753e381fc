"""Building blocks that encoders, latents and decoders share."""

from ssl_pipeline.models.layers.action_trunk import ActionTrunk
from ssl_pipeline.models.layers.attention import CrossBlock
from ssl_pipeline.models.layers.causal import CausalBlock
from ssl_pipeline.models.layers.gradient_protection import GradientProtection, protect_weight_gradients
from ssl_pipeline.models.layers.inverse_delta import InverseDeltaLinear, damped_inverse
from ssl_pipeline.models.layers.multiplicative import LowRankBilinear, OuterProduct
from ssl_pipeline.models.layers.ngrams import NGrams
from ssl_pipeline.models.layers.normalize import Normalize
from ssl_pipeline.models.layers.patches import Patches, first_true, pick
from ssl_pipeline.models.layers.pooling import CellMean, cell_means, masked_mean, pool_cells
from ssl_pipeline.models.layers.position_codes import sincos
from ssl_pipeline.models.layers.product_gate import ProductGate
from ssl_pipeline.models.layers.projector import Projector
from ssl_pipeline.models.layers.prototypes import Prototypes
from ssl_pipeline.models.layers.spectrum import bounded_spectrum
from ssl_pipeline.models.layers.trunk import Trunk

__all__ = [
    "ActionTrunk",
    "CausalBlock",
    "CellMean",
    "CrossBlock",
    "GradientProtection",
    "InverseDeltaLinear",
    "LowRankBilinear",
    "NGrams",
    "Normalize",
    "OuterProduct",
    "Patches",
    "ProductGate",
    "Projector",
    "Prototypes",
    "Trunk",
    "bounded_spectrum",
    "cell_means",
    "damped_inverse",
    "first_true",
    "masked_mean",
    "pick",
    "pool_cells",
    "protect_weight_gradients",
    "sincos",
]
