"""All that is measured of one encoder, each number with how it was taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np
import torch

from ssl_pipeline.corruptions import Crop
from ssl_pipeline.data import Data, Dataset, sequential_batches
from ssl_pipeline.evaluation.encoders import Subject
from ssl_pipeline.evaluation.fine_tuning import Tuning, attentive, finetuned
from ssl_pipeline.evaluation.frozen_features import Features, cautions, first_samples, labelled
from ssl_pipeline.evaluation.metrics import alpha_req, lidar, rankme, spread
from ssl_pipeline.evaluation.probes import draw_labelled, few_label
from ssl_pipeline.evaluation.protocol import P1
from ssl_pipeline.structures.batch import as_float, clean_view
from ssl_pipeline.structures.random import generator

SAMPLES, VIEWS = 500, 10
"""Of LiDAR: samples, and views of each."""
_NEEDS = {
    "rankme": "2 samples",
    "alpha": "4 directions in which embeddings differ",
    "std": "2 samples",
    "lidar": "2 samples",
}
"""What it takes at least to say something without labels."""


class Score(NamedTuple):
    """A number and how it was taken."""

    mean: float
    sd: float | None  # over draws, seeds or runs; None: there is one alone
    n: int
    protocol: str


class Measured(NamedTuple):
    """What could be measured of one encoder, and why the rest could not."""

    scores: dict[str, Score]
    left_out: dict[str, str]
    cautions: list[str]  # see ``cautions``


def joined(scores: Sequence[Score]) -> Score:
    """Of several runs: mean and standard deviation of their means."""
    if len(scores) == 1:
        return scores[0]
    means = [score.mean for score in scores]
    return Score(mean(means), stdev(means), len(means), f"{scores[0].protocol}; {len(means)} runs")


def measure(
    subject: Subject,
    data: Data,
    protocol: P1,
    few_shot: Sequence[float] = (0.01, 0.1),
    attention: Tuning | None = None,
    tuning: Tuning | None = None,
    seeds: int = 3,
) -> Measured:
    """Probes where there are labels, and what embeddings say without them.

    Args:
        subject: an encoder.
        data: samples to probe with.
        protocol: of the probes that need no gradient.
        few_shot: shares of the labels, of linear probes.
        attention: of an attentive probe, if any.
        tuning: of a fine-tuned copy, if any.
        seeds: draws of few labels, and trained heads.
    """
    features = protocol.features(lambda batch: subject(batch.on(subject.device)), data)
    found = probed(features, protocol, few_shot, seeds)
    if "linear" in found and isinstance(data.known, Dataset):
        for name, probe, how in (("attentive", attentive, attention), ("finetuned", finetuned, tuning)):
            if how is not None:
                values = [probe(subject, data, how, seed) for seed in range(seeds)]
                epochs = f"{how.epochs} epoch{'s' * (how.epochs > 1)}"
                found[name] = _over(values, f"{epochs} of {min(how.limit, len(data.known)):,} labels, lr {how.lr:g}")
    held_out = features.train if features.test is None else features.test
    where = "training" if features.test is None else "test"
    count = len(held_out.z)
    note = f"{count:,} {where} sample{'s' * (count > 1)}"
    notes = dict.fromkeys(_NEEDS, note) | {"lidar": f"{VIEWS} views of {min(count, SAMPLES)} {where} samples"}
    free = {"rankme": rankme, "alpha": alpha_req, "std": spread}
    values = {name: metric(held_out.z) for name, metric in free.items()} if count > 1 else {}
    if count > 1:
        values["lidar"] = lidar(augmented(subject, data))
    left_out = {}
    for name, least in _NEEDS.items():
        if isfinite(value := values.get(name, nan)):
            found[name] = Score(value, None, 1, notes[name])
        else:
            left_out[name] = f"it takes at least {least}, got {note}"
    if "retrieval_chance" in found and "retrieval" not in found:
        left_out["retrieval"] = f"by chance it is {found['retrieval_chance'].mean:.3g} %"
    return Measured(found, left_out, cautions(features, data.classes))


def probed(features: Features, protocol: P1, few_shot: Sequence[float], seeds: int) -> dict[str, Score]:
    """What the protocol and shares of the labels say of features."""
    scores = protocol.score(features)
    draws = {key.removesuffix("_std"): scores.pop(key) for key in [*scores] if key.endswith("_std")}
    found = {key: Score(value, None, 1, protocol.name) for key, value in scores.items()}
    if protocol.corrupted is not None:
        note = f"P2, {protocol.corrupted.samples:,} test samples at most"
        found |= {key: score._replace(protocol=note) for key, score in found.items() if key.startswith("corrupted/")}
    if "few_shot" in found:
        note = f"{protocol.name}, {protocol.few_shot} labels a class"
        found["few_shot"] = Score(scores["few_shot"], draws["few_shot"], protocol.draws, note)
    if (pair := labelled(features)) is not None:
        train, test = pair
        for share in few_shot:
            value, sd = few_label(train, test, per_class=share, draws=seeds, scaler=features.scaler)
            note = f"linear, {len(draw_labelled(train[1], share, 0)):,} of {len(train[1]):,} labels"
            found[f"few@{100 * share:g}%"] = Score(value, sd, seeds, note)
    return found


@torch.no_grad()
def augmented(subject: Subject, data: Data) -> np.ndarray:
    """Embeddings (N, q, D) of random crops of held-out samples, whatever the encoder was trained on."""
    crop = Crop(scale=(0.4, 1.0)).bind(data.grid)
    part = first_samples(data.held_out, SAMPLES)
    rows = []
    for start, batch in enumerate(sequential_batches(part, 250, SAMPLES)):
        batch = batch.on(subject.device)
        clean = clean_view(data.grid, as_float(batch.x, data.grid), batch.valid)
        views = [crop(clean, generator(subject.device, "lidar", start, view)) for view in range(VIEWS)]
        rows.append(torch.stack([subject(batch._replace(x=v.x, valid=v.valid)).float().cpu() for v in views], dim=1))
    return torch.cat(rows).numpy()


def _over(values: Sequence[float], protocol: str) -> Score:
    return Score(mean(values), stdev(values) if len(values) > 1 else None, len(values), protocol)


def plain(rows: Mapping[str, Mapping[str, Score]]) -> dict[str, Any]:
    """Scores by row and name, as JSON takes them."""
    return {row: {name: score._asdict() for name, score in scores.items()} for row, scores in rows.items()}
