"""The model chooses its data: what each training sample is worth by what the model learns from samples like it."""

from ssl_pipeline.lab.curation.curator import Curator, Scores
from ssl_pipeline.lab.curation.learnability import Learnability, bounded_weights, draw_weights, progress
from ssl_pipeline.lab.curation.novelty import Novelty, novelty
from ssl_pipeline.lab.curation.regions import by_region
from ssl_pipeline.lab.curation.scoring import score_samples
from ssl_pipeline.lab.curation.weighted_order import WeightedOrder, weighted_order

__all__ = [
    "Curator",
    "Learnability",
    "Novelty",
    "Scores",
    "WeightedOrder",
    "bounded_weights",
    "by_region",
    "draw_weights",
    "novelty",
    "progress",
    "score_samples",
    "weighted_order",
]
