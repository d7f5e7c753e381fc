"""Protocol P3: how well corrupted test samples are restored by a model that is not told what happened to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data import Dataset, Stream
from ssl_pipeline.evaluation.families import CLEAN, Families, family_means, views_of_forms
from ssl_pipeline.evaluation.fidelity import BETTER_WHEN_LESS, fidelity
from ssl_pipeline.evaluation.frozen_features import spread_batches
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.structures.batch import as_float, clean_view, stored

BEFORE = "_before"
"""At the end of a measure: of the corrupted samples as they came."""
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
        for step, batch in enumerate(spread_batches(dataset, self.samples)):
            clean = clean_view(grid, as_float(batch.x, grid), batch.valid)
            whole = clean._replace(x=stored(clean.x, grid))
            for form, view in chain([(CLEAN, whole)], views_of_forms(corruptions, clean, "p3", step)):
                valid = None if view.valid is None else view.valid.to(device)
                restored = inference.restore(UNKNOWN, clean_view(grid, view.x.to(device), valid))
                before = fidelity(view.x, clean.x, grid, clean.valid)
                for measure, value in fidelity(stored(restored.cpu(), grid), clean.x, grid, clean.valid).items():
                    rows[f"{measure}/{form}"].append(value)
                    rows[f"{measure}{BEFORE}/{form}"].append(before[measure])
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
