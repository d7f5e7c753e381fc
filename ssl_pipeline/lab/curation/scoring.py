"""One look at every training sample: its loss, and its embedding."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.data import Dataset
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.structures.random import generator, seed_of
from ssl_pipeline.utils import distributed


@torch.no_grad()
def score_samples(
    graph: Graph, dataset: Dataset, size: int, seed: int, embeds: bool = True
) -> tuple[Float[Tensor, "N"], Float[Tensor, "N D"] | None]:
    """Losses and embeddings of all samples, on the CPU and alike on all ranks, which share the work.

    Samples come in chunks that are the same each time, corrupted in the same way, whatever the number of ranks; the
    last is filled with the first samples, which count once. A loss that contrasts samples sees those of its chunk.

    Args:
        graph: in evaluation mode.
        dataset: the training samples.
        size: samples of a chunk; no more than there are.
        seed: of chunks and corruptions.
        embeds: give embeddings of the clean samples too; else None.
    """
    n, world, rank = len(dataset), distributed.world_size(), distributed.rank()
    inference, device = Inference(graph), next(graph.parameters()).device
    line = torch.randperm(n, generator=generator("cpu", seed, "rating"))
    loss, z = torch.empty(n), None
    for first in range(0, -(-n // size), world):  # as many turns on each rank
        place = torch.arange(size * first, size * (first + world))
        rows, fresh = line[place % n], place < n
        batch = dataset[rows.chunk(world)[rank]].on(device)
        views = graph.corrupt(batch, seed_of(seed, "rating"), first + rank, whole=True)
        loss[rows[fresh]] = distributed.gather_plain(graph.per_sample(views)).cpu()[fresh]
        if embeds:
            found = distributed.gather_plain(inference.embed(batch.x, batch.valid).float()).cpu()
            z = found.new_empty(n, found.shape[1]) if z is None else z
            z[rows[fresh]] = found[fresh]
    return loss, z
