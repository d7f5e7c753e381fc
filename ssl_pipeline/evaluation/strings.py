"""Regeneration of strings from the latent alone."""

from __future__ import annotations

from typing import NamedTuple

import torch

from ssl_pipeline.data import Data, Dataset, sequential_batches
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.structures.batch import Batch, clean_view


class ExactMatch(NamedTuple):
    """How many strings came back."""

    percent: float
    count: int  # strings asked for


@torch.inference_mode()
def exact_match(graph: Graph, data: Data, samples: int = 2000, zeroed: bool = False) -> ExactMatch:
    """Share of test strings that do not occur in training and are regenerated to the last symbol.

    Args:
        graph: in evaluation mode, on symbols, with a decoder to the clean form.
        data: what it was trained on; the strings are spread evenly over the test part.
        samples: strings at most, before those that occur in training are taken out.
        zeroed: put zeros in place of the latent, to see what the decoder knows without it.

    Raises:
        ValueError: no test set, or no string in it that training has not seen.
    """
    if data.test is None:
        raise ValueError("there is no test set: set data.split.holdout above 0")
    seen = {key for batch in sequential_batches(data.train, 2000) for key in _strings(batch)}
    inference = Inference(graph)
    device, right, count = next(graph.parameters()).device, 0, 0
    for batch in _spread(data.test, samples):
        fresh = torch.tensor([key not in seen for key in _strings(batch)])
        x = batch.x[fresh].to(device)
        valid = torch.ones_like(x, dtype=torch.bool) if batch.valid is None else batch.valid[fresh].to(device)
        latent = inference.encoded(UNKNOWN, clean_view(graph.grid, x, valid))
        if zeroed:
            latent = latent._replace(tokens=torch.zeros_like(latent.tokens))
        found = inference.decoder().generate(latent).argmax(-1).unflatten(1, graph.grid.shape)
        right += int(((found == x) | ~valid).flatten(1).all(1).sum())
        count += len(x)
    if not count:
        raise ValueError("every string of the test set occurs in training: take longer ones")
    return ExactMatch(100 * right / count, count)


def _spread(dataset: Dataset, samples: int, batch_size: int = 250) -> list[Batch]:
    index = torch.linspace(0, len(dataset) - 1, min(samples, len(dataset))).long()
    return [dataset[part] for part in index.split(batch_size)]


def _strings(batch: Batch) -> list[bytes]:
    x = batch.x if batch.valid is None else batch.x.masked_fill(~batch.valid, -1)
    return [row.numpy().tobytes() for row in x]
