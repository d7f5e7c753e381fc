"""Probes that are trained by gradient: attention over frozen tokens, and the whole encoder with a linear head."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.data import Data, Dataset, sequential_batches
from ssl_pipeline.evaluation.encoders import Subject
from ssl_pipeline.evaluation.frozen_features import first_samples, labelled_rows
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.random import generator


@dataclass(frozen=True)
class Tuning:
    """How a head is trained: AdamW, cosine to 0, no augmentation.

    Args:
        epochs: passes over the labelled samples.
        lr: at the start.
        batch_size: samples in a step.
        weight_decay: of all weights.
        limit: labelled samples, the first ones.
    """

    epochs: int
    lr: float = 1e-3
    batch_size: int = 128
    weight_decay: float = 0.05
    limit: int = 20_000


class AttentiveHead(nn.Module):
    """One learned query attends to tokens (B, N, W); a linear map leads to the classes (CAE, arXiv 2202.03026)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        heads = max(h for h in (1, 2, 4, 8) if width % h == 0)
        self.norm, self.query = nn.LayerNorm(width), nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.attend = nn.MultiheadAttention(width, heads, batch_first=True)
        self.classify = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, tokens: Tensor, valid: Tensor | None = None) -> Tensor:
        """Logits (B, classes)."""
        tokens = self.norm(tokens)
        query = self.query.expand(len(tokens), -1, -1)
        found, _ = self.attend(query, tokens, tokens, None if valid is None else ~valid, need_weights=False)
        return self.classify(found[:, 0])


def attentive(subject: Subject, data: Data, tuning: Tuning, seed: int = 0) -> float:
    """Accuracy in percent of attention over the tokens of a frozen encoder.

    Args:
        subject: stays as it is.
        data: with labels in both parts.
        tuning: of the head.
        seed: of the head's weights and the order of samples.
    """
    subject.eval()

    def features(batch: Batch) -> tuple[Tensor, Tensor | None]:
        with torch.no_grad():
            return subject.tokens(batch)

    torch.manual_seed(seed)
    head = AttentiveHead(features(_some(data, subject))[0].shape[-1], _classes(data)).to(subject.device)
    return _trained(lambda batch: head(*features(batch)), head, subject.device, data, tuning, seed)


def finetuned(subject: Subject, data: Data, tuning: Tuning, seed: int = 0) -> float:
    """Accuracy in percent of an encoder that is trained on the labels itself, with a linear head.

    Args:
        subject: stays as it is; a copy is trained.
        data: with labels in both parts.
        tuning: of both.
        seed: of the head's weights and the order of samples.
    """
    copy = deepcopy(subject).eval()
    with torch.no_grad():
        width = copy(_some(data, copy)).shape[1]
    torch.manual_seed(seed)
    head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, _classes(data))).to(copy.device)
    both = nn.ModuleList([copy, head])
    return _trained(lambda batch: head(copy(batch)), both, copy.device, data, tuning, seed)


def _trained(
    logits: Callable[[Batch], Tensor], trained: nn.Module, device: torch.device, data: Data, tuning: Tuning, seed: int
) -> float:
    """Train on the labels of the training part, score on the test part."""
    assert isinstance(data.known, Dataset) and data.test is not None
    train = first_samples(labelled_rows(data.known), tuning.limit)
    assert isinstance(train, Dataset) and train.labels is not None
    test = labelled_rows(data.test, train.labels.unique())
    count = len(train)
    size = min(tuning.batch_size, count)
    optimiser = torch.optim.AdamW(trained.parameters(), tuning.lr, weight_decay=tuning.weight_decay)
    steps = tuning.epochs * (count // size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    trained.train()
    for epoch in range(tuning.epochs):
        order = torch.randperm(count, generator=generator("cpu", seed, "tuned", epoch))
        for rows in order[: count - count % size].split(size):
            batch = train[rows].on(device)
            assert batch.label is not None
            loss = F.cross_entropy(logits(batch), batch.label)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    trained.eval()
    right = total = 0
    with torch.no_grad():
        for batch in sequential_batches(test, 500):
            batch = batch.on(device)
            right += int((logits(batch).argmax(1) == batch.label).sum())
            total += len(batch.x)
    return 100 * right / total


def _some(data: Data, subject: Subject) -> Batch:
    return next(sequential_batches(data.train, 2)).on(subject.device)


def _classes(data: Data) -> int:
    assert data.classes is not None
    return len(data.classes)
