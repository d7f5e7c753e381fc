"""Protocol P3: how well corrupted test samples are restored by a model that is not told what happened to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data import Dataset, Stream, sequential_batches
from ssl_pipeline.evaluation.families import CLEAN, Families, family_means
from ssl_pipeline.evaluation.fidelity import BETTER_WHEN_LESS, fidelity
from ssl_pipeline.evaluation.frozen_features import spread_samples
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.structures.batch import as_float, clean_view, stored
from ssl_pipeline.structures.random import generator

BEFORE = "_before"
"""At the end of a measure: of the corrupted samples as they came."""
_AT_ONCE = 50
HARMLESS = "harmless"
"""Percent of the samples, at the least severity, that come out no worse than they came."""


@register("protocol", "p3")
@dataclass(frozen=True)
class P3(Families):
    """Test samples under each corruption, restored blindly and as files hold them; see ``evaluation.fidelity``.

    Options are those of ``Families``; samples are taken at equal steps.
    """

    samples: int = 50

    option: ClassVar[str] = "probe.protocol.restored"

    @torch.inference_mode()
    def score(self, graph: Graph, dataset: Dataset | Stream) -> dict[str, float]:
        """Means over samples, ``restored/MEASURE/FORM``, and means of these over severities, then families.

        ``restored/MEASURE_before`` are those of what came in.

        Args:
            graph: in evaluation mode, with a decoder to the clean form.
            dataset: samples not trained on.
        """
        inference, device, grid = Inference(graph), next(graph.parameters()).device, graph.grid
        corruptions = self.corruptions(grid)
        rows: dict[str, list[Tensor]] = defaultdict(list)
        for step, batch in enumerate(sequential_batches(spread_samples(dataset, self.samples), _AT_ONCE, self.samples)):
            clean = clean_view(grid, as_float(batch.x, grid), batch.valid)
            for name, corruption in {CLEAN: None, **corruptions}.items():
                view = clean if corruption is None else corruption(clean, generator("cpu", "p3", name, step))
                x = stored(view.x, grid)
                given = clean_view(grid, x, view.valid)
                sent = given._replace(x=x.to(device), valid=None if view.valid is None else view.valid.to(device))
                made = stored(inference.restore(UNKNOWN, sent).cpu(), grid)
                before = fidelity(x, clean.x, grid, clean.valid)
                for measure, value in fidelity(made, clean.x, grid, clean.valid).items():
                    rows[f"{measure}/{name}"].append(value)
                    rows[f"{measure}{BEFORE}/{name}"].append(before[measure])
        return _scores({key: torch.cat(some).numpy() for key, some in rows.items()})


def _scores(rows: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of the samples' measures by ``MEASURE/FORM``."""
    scores = {f"restored/{key}": float(value.mean()) for key, value in rows.items()}
    first = next(iter(rows)).partition("/")[0]
    least: dict[str, str] = {}
    for key in rows:
        measure, form = key.split("/", 1)
        if measure == first and form != CLEAN:
            least.setdefault(form.partition("/")[0], form)
    sign = -1 if first in BETTER_WHEN_LESS else 1
    for form in least.values():
        gain = sign * (rows[f"{first}/{form}"] - rows[f"{first}{BEFORE}/{form}"])
        scores[f"restored/{HARMLESS}/{form}"] = 100 * float((gain >= 0).mean())
    return family_means(scores) | scores
