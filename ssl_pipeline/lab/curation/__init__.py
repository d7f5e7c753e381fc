"""The model chooses its data: what each training sample is worth by what the model learns from its like."""

from ssl_pipeline.lab.curation.learnability import Learnability, Scores, bounded, draw_weights, progress
from ssl_pipeline.lab.curation.novelty import Novelty, novelty
from ssl_pipeline.lab.curation.regions import by_region
from ssl_pipeline.lab.curation.scoring import rate

__all__ = ["Learnability", "Novelty", "Scores", "bounded", "by_region", "draw_weights", "novelty", "progress", "rate"]
