"""Protocol P2: what probes that learned from clean samples say of corrupted ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.config.registry import lookup, register
from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.corruptions.composed import Composed
from ssl_pipeline.data import Data, sequential_batches
from ssl_pipeline.evaluation.families import CLEAN, Families, family_means, views_of_forms
from ssl_pipeline.evaluation.frozen_features import Embed, Forms, digests, first_samples
from ssl_pipeline.evaluation.probes import Classifier
from ssl_pipeline.evaluation.retrieval import found_among
from ssl_pipeline.structures.batch import Batch, as_float, clean_view

FOUND = "found"
"""Share of the corrupted samples whose clean form is the nearest of all clean ones."""


@register("protocol", "p2")
@dataclass(frozen=True)
class P2(Families):
    """Test samples under each corruption, asked about with probes that were fitted on clean embeddings.

    Views are what files hold, see ``structures.batch.stored``, and are the same for all encoders. Options are those of
    ``Families``; samples are the first ones.
    """

    samples: int = 500

    option: ClassVar[str] = "probe.protocol.corrupted"

    def forms(self, embed: Embed, data: Data) -> Forms:
        """Features of test samples in all forms."""
        assert data.test is not None
        corruptions, grid = self.corruptions(data.grid), data.grid
        rows: dict[str, list[Tensor]] = defaultdict(list)
        labels, sums = [], []
        some = first_samples(data.test, self.samples)
        with torch.inference_mode():
            for step, batch in enumerate(sequential_batches(some, 250, self.samples)):
                clean = clean_view(grid, as_float(batch.x, grid), batch.valid)
                labels.append(batch.label)
                sums.append(digests(batch.x))
                rows[CLEAN].append(_embedded(embed, batch))
                for form, view in views_of_forms(corruptions, clean, "p2", step):
                    rows[form].append(_embedded(embed, batch._replace(x=view.x, valid=view.valid)))
        label = None if any(part is None for part in labels) else torch.cat(labels).numpy()
        return Forms({name: torch.cat(some).numpy() for name, some in rows.items()}, label, np.concatenate(sums))

    def score(self, forms: Forms, probes: Mapping[str, Classifier], known: np.ndarray | None) -> dict[str, float]:
        """Scores in percent by form, ``corrupted/PROBE/FORM``, and their means over families, ``corrupted/PROBE``.

        A family's own mean is that over its severities. ``found`` is the share of the samples whose clean form is the
        nearest. ``corrupted_tested`` is the number of samples that were asked about.

        Args:
            forms: see ``forms``.
            probes: fitted on clean features, by name.
            known: labels that they know.
        """
        asked = np.zeros(len(forms.digest), dtype=bool)
        if forms.label is not None and known is not None:
            asked = np.isin(forms.label, known)
        scores: dict[str, float] = {}
        for form, z in forms.z.items():
            if form != CLEAN:
                scores[f"corrupted/{FOUND}/{form}"] = found_again(z, forms.z[CLEAN], forms.digest)
            for name, probe in probes.items() if asked.any() else ():
                assert forms.label is not None
                scores[f"corrupted/{name}/{form}"] = 100 * float(np.mean(probe(z[asked]) == forms.label[asked]))
        return family_means(scores) | scores | {"corrupted_tested": int(asked.sum()) or len(asked)}


def _embedded(embed: Embed, batch: Batch) -> Tensor:
    return embed(batch).float().cpu()


def found_again(z: np.ndarray, clean: np.ndarray, digest: np.ndarray) -> float:
    """Percent of the samples whose clean form, or an equal sample, is the nearest of all clean ones.

    Embeddings are centred on the clean mean, distances are cosines.

    Args:
        z: corrupted samples (N, D).
        clean: the same, clean.
        digest: (N,) of the clean samples.

    >>> clean = np.eye(3)
    >>> round(found_again(clean[[0, 1, 1]] * 0.9, clean, np.arange(3)), 1)
    66.7
    """
    mean, which = clean.mean(0), np.unique(digest, return_inverse=True)[1]
    return found_among(*(torch.from_numpy(part) for part in (z - mean, clean - mean, which)))[0]


def seen_families(corruptions: Mapping[str, Corruption], families: Sequence[str]) -> list[str]:
    """Which of the families views of a graph are made with, also within a chain or as one of many."""
    used: set[type] = set()
    rest = [*corruptions.values()]
    while rest:
        part = rest.pop()
        used.add(type(part))
        rest += part.parts.values() if isinstance(part, Composed) else ()
    return [name for name in families if lookup("corruption", name).target in used]
