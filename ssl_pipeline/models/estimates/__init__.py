"""What classical tools make of a sample, for a decoder to begin with."""

from ssl_pipeline.models.estimates.base import Estimate
from ssl_pipeline.models.estimates.dct_shrinkage import DctShrinkage
from ssl_pipeline.models.estimates.flat_filling import FlatFilling
from ssl_pipeline.models.estimates.run_interpolation import RunInterpolation

__all__ = ["DctShrinkage", "Estimate", "FlatFilling", "RunInterpolation"]
