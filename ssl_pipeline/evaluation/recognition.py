"""How much of what happened to a sample its latent tells: a small network learns to read it off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import torch
from sklearn.covariance import LedoitWolf
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline.config.registry import lookup, register
from ssl_pipeline.corruptions import AnyOf, Chain, Corruption
from ssl_pipeline.data import Data, Dataset, Stream
from ssl_pipeline.evaluation.families import CLEAN, Families, family_means, views_of_forms
from ssl_pipeline.evaluation.frozen_features import spread_batches
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.inference.recognizer import LIKELY, Happened, Recognizer, statistics
from ssl_pipeline.structures.batch import Batch, View, as_float, clean_view, stored
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

FAMILY, SEVERITY_ERROR = "family", "severity_error"
_ONE, _TWO = 0.8, 0.3
"""Shares of the samples that pass a corruption, and a second one after it."""
_STEPS, _CHECKED, _HELD_OUT, _TYPICAL = 600, 20, 5, 0.99
"""Of the fit: steps; steps between two looks at every so-manieth row, which it does not learn from; quantile of the
distances that is novelty 1."""


@register("protocol", "recognition")
@dataclass(frozen=True)
class Recognition(Families):
    """A small network learns from the latents of training samples what happened to them, and is asked about test
    samples under each corruption; no one says what that was.

    Options are those of ``Families``; samples are taken at equal steps.

    Args:
        rows: corrupted training samples that it learns from, at least.
    """

    samples: int = 50
    rows: int = 2000

    option: ClassVar[str] = "probe.protocol.recognition"

    def fit(self, graph: Graph, data: Data) -> Recognizer:
        """The network, fitted to a graph in evaluation mode.

        Args:
            graph: whose latents are read; what is like its views is not novel.
            data: of which the training samples are taken.
        """
        names, z, severity, typical, read = self.families_of(data.grid), [], [], [], _Reader(graph)
        with torch.inference_mode():
            for step, batch in enumerate(_again_and_again(data.train, self.rows)):
                draw = generator("cpu", self.option, step)
                clean = _clean(batch, data.grid)
                levels = (1 + torch.randint(5, (2,), generator=draw)).tolist()
                view = _one_or_two(names, levels, data.grid)(clean, draw)
                z.append(read(view))
                severity.append(_severities(view, names, levels))
                if step % 2:
                    continue  # half of the samples suffice
                views = graph.corrupt(batch.on(read.device), step=step, whole=True).views.values()
                alike = [view for view in views if view.mask is None and view.x.shape == clean.x.shape]
                typical += map(read, (clean, *alike))
        recognizer = _learned(names, torch.cat(z), torch.cat(severity))
        recognizer.centre, recognizer.whiten = _whitening(torch.cat(typical))
        return recognizer.eval()

    @torch.inference_mode()
    def score(self, recognizer: Recognizer, graph: Graph, data: Data) -> dict[str, float]:
        """``recognition/family/FORM``, percent of the test samples of which the one corruption that they have passed
        is thought the likeliest, or no one likely of clean ones, and ``recognition/severity_error/FORM``, by how much
        its severity is missed; means of these over severities, then families."""
        corruptions, read = self.corruptions(data.grid), _Reader(graph)
        rows: dict[str, list[Tensor]] = defaultdict(list)
        for step, batch in enumerate(spread_batches(data.held_out, self.samples)):
            clean = _clean(batch, data.grid)
            for form, view in chain([(CLEAN, clean)], views_of_forms(corruptions, clean, self.option, step)):
                said = recognizer(read(view))
                family, _, severity = form.partition("/")
                rows[f"{FAMILY}/{form}"].append(100.0 * _is_named(said, family))
                if severity:
                    at = said.severity[:, recognizer.families.index(family)]
                    rows[f"{SEVERITY_ERROR}/{form}"].append((at - float(severity)).abs())
        scores = {f"recognition/{key}": float(torch.cat(some).mean()) for key, some in rows.items()}
        return family_means(scores) | scores


def _again_and_again(dataset: Dataset | Stream, count: int) -> Iterator[Batch]:
    """So many samples or more, in several passes where there are fewer; of a stream one pass."""
    passes = 1 if isinstance(dataset, Stream) else -(-count // len(dataset))
    for _ in range(passes):
        yield from spread_batches(dataset, count)


def _clean(batch: Batch, grid: GridSpec) -> View:
    return clean_view(grid, as_float(batch.x, grid), batch.valid)


class _Reader:
    """Statistics of the latents of views as files hold them."""

    def __init__(self, graph: Graph) -> None:
        self.inference, self.device = Inference(graph), next(graph.parameters()).device

    def __call__(self, view: View) -> Tensor:
        valid = None if view.valid is None else view.valid.to(self.device)
        x = stored(view.x.to(self.device), self.inference.grid)
        return statistics(self.inference.encoded(UNKNOWN, clean_view(self.inference.grid, x, valid))).cpu()


def _one_or_two(names: Sequence[str], levels: Sequence[int], grid: GridSpec) -> Corruption:
    """Most samples pass one of the corruptions, some of them a second one, each at its level."""

    def any_of(level: int, p: float) -> Corruption:
        makes = {name: lookup("corruption", name).target for name in names}
        return AnyOf(p=p, **{name: make(severity=level) if make.levels else make() for name, make in makes.items()})  # pyright: ignore

    return Chain(first=any_of(levels[0], _ONE), second=any_of(levels[1], _TWO)).bind(grid)


def _severities(view: View, names: Sequence[str], levels: Sequence[int]) -> Tensor:
    """Severity (B, F) of each corruption that a sample has passed, 0 of the others."""
    passed = [torch.stack([view.params[f"{place}.{name}"] for name in names], 1) for place in ("first", "second")]
    return torch.maximum(*(some * level for some, level in zip(passed, levels, strict=True)))


def _learned(names: Sequence[str], z: Tensor, severity: Tensor) -> Recognizer:
    """The network where it does best on rows that it does not learn from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        recognizer = Recognizer(names, z.shape[1])
    recognizer.mean, recognizer.std = z.mean(0), z.std(0).clamp(min=1e-6)
    held = torch.arange(len(z)) % _HELD_OUT == 0

    def loss(rows: Tensor) -> Tensor:
        logits, guess = recognizer.raw(z[rows])
        passed = severity[rows] > 0
        missed = (guess - severity[rows]).square()[passed].mean() if passed.any() else guess.sum() * 0
        return F.binary_cross_entropy_with_logits(logits, passed.float()) + 0.02 * missed

    rule = torch.optim.AdamW(recognizer.parameters(), lr=2e-3, weight_decay=0.1)
    best, kept = float("inf"), recognizer.state_dict()
    for step in range(_STEPS):
        if step % _CHECKED == 0 and (found := loss(held).item()) < best:
            best, kept = found, {name: value.clone() for name, value in recognizer.state_dict().items()}
        rule.zero_grad()
        loss(~held).backward()
        rule.step()
    recognizer.load_state_dict(kept)
    return recognizer


def _whitening(z: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and map (S, S) after which the squared length of a latent's statistics is its novelty."""
    found = LedoitWolf().fit(z.double().numpy())
    spread, centre = torch.from_numpy(found.covariance_), torch.from_numpy(found.location_)
    least = spread.diagonal().mean() * 1e-6 + 1e-12  # so that a latent that is constant has an inverse, too
    whiten = torch.linalg.cholesky(torch.linalg.inv(spread + least * torch.eye(len(spread), dtype=torch.double)))
    typical = ((z.double() - centre) @ whiten).square().sum(1).quantile(_TYPICAL).clamp(min=1e-12)
    return centre.float(), (whiten / typical.sqrt()).float()


def _is_named(said: Happened, family: str) -> Tensor:
    """Whether (B,) a corruption is thought the likeliest; of clean samples, whether none is likely."""
    likely, which = said.probability.max(1)
    return likely <= LIKELY if family == CLEAN else which == said.families.index(family)
