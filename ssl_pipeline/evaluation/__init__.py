"""Evaluation: frozen embeddings, probes, and the protocol that all tables share."""

from ssl_pipeline.evaluation.agreement import OutputAgreement, output_agreement, prompted
from ssl_pipeline.evaluation.cross_modal import relations
from ssl_pipeline.evaluation.cross_modal_retrieval import cross_modal_retrieval
from ssl_pipeline.evaluation.frozen_features import Features, features
from ssl_pipeline.evaluation.metrics import rankme, spread
from ssl_pipeline.evaluation.probes import few_label, knn, linear
from ssl_pipeline.evaluation.protocol import P1
from ssl_pipeline.evaluation.restoration import restoration
from ssl_pipeline.evaluation.retrieval import retrieval
from ssl_pipeline.evaluation.rollouts import rollout_scores

__all__ = [
    "P1",
    "Features",
    "OutputAgreement",
    "cross_modal_retrieval",
    "features",
    "few_label",
    "knn",
    "linear",
    "output_agreement",
    "prompted",
    "rankme",
    "relations",
    "restoration",
    "retrieval",
    "rollout_scores",
    "spread",
]
