"""A few samples of the test set to look at or listen to: clean, damaged, restored."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ssl_pipeline.datasets import Data
from ssl_pipeline.graph import Graph
from ssl_pipeline.models import Restorer


@torch.inference_mode()
def write_samples(graph: Graph, data: Data, folder: Path, count: int = 4) -> None:
    """Write ``NUMBER_clean``, ``NUMBER_VIEW`` and ``NUMBER_VIEW_restored`` in the data's own kind of file.

    Args:
        graph: in evaluation mode.
        data: nothing is written where it has no codec.
        folder: is made.
        count: samples, spread over the test set.
    """
    if data.codec is None or data.test is None:
        return
    codec, device = data.codec, next(graph.parameters()).device
    batch = data.test[torch.linspace(0, len(data.test) - 1, min(count, len(data.test))).long()].on(device)
    damaged = graph.damage(batch, whole=True)
    forms = {"clean": (damaged.clean.x, batch.valid)}
    for name, view in damaged.views.items():
        forms[name] = view.x, view.valid
        if name in graph.leading():
            forms[f"{name}_restored"] = Restorer(graph, name)(view.x, view.removed, view.valid), batch.valid
    folder.mkdir(parents=True, exist_ok=True)
    for name, (x, real) in forms.items():
        for i in range(len(x)):
            codec.write(folder / f"{i}_{name}", x[i].cpu(), _row(real, i))


def _row(valid: Tensor | None, i: int) -> Tensor | None:
    return None if valid is None else valid[i].cpu()
