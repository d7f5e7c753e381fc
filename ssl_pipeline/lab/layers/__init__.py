"""Layers of the laboratory."""

from ssl_pipeline.lab.layers.gradient_protection import GradientProtection, protect_weight_gradients
from ssl_pipeline.lab.layers.inverse_delta import InverseDeltaLinear, damped_inverse
from ssl_pipeline.lab.layers.multiplicative import LowRankBilinear, OuterProduct
from ssl_pipeline.lab.layers.product_gate import ProductGate
from ssl_pipeline.lab.layers.spectrum import bounded_spectrum

__all__ = [
    "GradientProtection",
    "InverseDeltaLinear",
    "LowRankBilinear",
    "OuterProduct",
    "ProductGate",
    "bounded_spectrum",
    "damped_inverse",
    "protect_weight_gradients",
]
