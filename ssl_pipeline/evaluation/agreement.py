"""Whether views of one content lead to the same output, and whether it is found again behind another view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.corruptions import Corruption, Template
from ssl_pipeline.data import Dataset, Stream, sequential_batches
from ssl_pipeline.evaluation.retrieval import retrieval
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.losses import jensen_shannon
from ssl_pipeline.structures.batch import Batch, View, as_float, clean_view
from ssl_pipeline.structures.nodes import CLEAN
from ssl_pipeline.structures.random import generator

Two = tuple[str, str]


class OutputAgreement(NamedTuple):
    """What a decoder of symbols says of the same contents in several views."""

    accuracy: dict[str, float]  # percent of the symbols decoded from a view that are right
    exact: dict[str, float]  # percent of the contents that come back whole
    divergence: dict[Two, float]  # Jensen-Shannon divergence of the outputs of two views, mean over places, in nats
    found: dict[Two, float]  # percent of embeddings whose nearest one in the other view is of the same content

    def summary(self) -> dict[str, float]:
        """``divergence/A~B`` and ``found/A~B`` of every two views."""
        both = {"divergence": self.divergence, "found": self.found}
        return {f"{key}/{a}~{b}": value for key, pairs in both.items() for (a, b), value in pairs.items()}


@torch.inference_mode()
def output_agreement(
    graph: Graph, dataset: Dataset | Stream, views: Mapping[str, Corruption], samples: int = 1000, batch_size: int = 250
) -> OutputAgreement:
    """Compare the outputs and the embeddings of the same samples in every two views.

    Args:
        graph: in evaluation mode, on symbols, with a decoder to the clean form, which gets the true symbols before
            each place where it continues from some.
        dataset: samples not trained on.
        views: what to show them in, by name; one that the graph was not trained with counts as ``unknown``.
        samples: how many of them.
        batch_size: samples in a call.
    """
    inference, device = Inference(graph), next(graph.parameters()).device
    decoder = inference.decoder()
    sums: dict[str | Two, Tensor] = defaultdict(lambda: torch.zeros(3))
    embedded: dict[str, list[Tensor]] = defaultdict(list)
    contents = []
    for step, batch in enumerate(sequential_batches(dataset, batch_size, samples)):
        batch = batch.on(device)
        shown = _shown(graph, batch, views, step)
        real = torch.ones_like(batch.x, dtype=torch.bool) if batch.valid is None else batch.valid
        said = {}
        for name, view in shown.items():
            latent = inference.encoded(name, view)
            said[name] = decoder(latent, None, None, batch.x.unsqueeze(-1) if decoder.causal else None)
            right = (decoder.generate(latent) if decoder.causal else said[name]).argmax(-1) == batch.x
            whole = (right | ~real).all(1)
            sums[name] += torch.stack([(right & real).sum(), real.sum(), whole.sum()]).cpu()
            embedded[name].append(latent.pooled.float().cpu())
        for a, b in combinations(views, 2):
            apart = jensen_shannon(said[a], said[b]) * real
            sums[a, b] += torch.stack([apart.sum(), real.sum(), real.new_zeros(())]).cpu()
        contents.append(batch.x.masked_fill(~real, -1).cpu())
    content = np.unique(torch.cat(contents).numpy(), axis=0, return_inverse=True)[1].reshape(-1)
    z = {name: torch.cat(parts).numpy() for name, parts in embedded.items()}
    pairs = [*combinations(views, 2)]
    return OutputAgreement(
        {name: 100 * float(sums[name][0] / sums[name][1]) for name in views},
        {name: 100 * float(sums[name][2] / len(content)) for name in views},
        {pair: float(sums[pair][0] / sums[pair][1]) for pair in pairs},
        {(a, b): found_across(z[a], z[b], content) for a, b in pairs},
    )


def found_across(a: np.ndarray, b: np.ndarray, content: np.ndarray) -> float:
    """Percent of embeddings whose nearest one in the other view is of the same content.

    Args:
        a: embeddings (N, D) of one view, compared as ``retrieval`` does.
        b: of the same samples in another one.
        content: what each sample says (N,).

    >>> z = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> found_across(z, z + 0.1, np.arange(3)), found_across(z, z[[1, 0, 2]], np.arange(3))
    (100.0, 33.33333333333333)
    """
    view = np.repeat([0, 1], len(content))
    return retrieval(np.concatenate([a, b]), np.tile(content, 2), other_than=view, ks=(1,))["retrieval"]


def prompted(graph: Graph) -> Mapping[str, Corruption]:
    """The views that are templates round a text, where a decoder of symbols leads at least two to the clean form."""
    if CLEAN.name not in graph.decoders:
        return {}
    found = {name: made for name, made in graph.corruptions.items() if isinstance(made, Template)}
    return found if len(found) > 1 else {}


def _shown(graph: Graph, batch: Batch, views: Mapping[str, Corruption], step: int) -> dict[str, View]:
    clean = clean_view(graph.grid, as_float(batch.x, graph.grid), batch.valid)
    return {name: corrupt(clean, generator(clean.x.device, "agreement", step, name)) for name, corrupt in views.items()}
