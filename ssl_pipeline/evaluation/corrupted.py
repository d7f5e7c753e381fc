"""Protocol P2: what probes that learned from clean samples say of corrupted ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.config.registry import lookup, part_names, register
from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.corruptions.composed import Composed
from ssl_pipeline.data import Data, sequential_batches
from ssl_pipeline.evaluation.frozen_features import Embed, Forms, digests, first_samples
from ssl_pipeline.evaluation.probes import Classifier
from ssl_pipeline.evaluation.retrieval import found_among
from ssl_pipeline.structures.batch import Batch, as_float, clean_view, stored
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator
from ssl_pipeline.utils.errors import nearest

CLEAN = "clean"
FOUND = "found"
"""Share of the corrupted samples whose clean form is the nearest of all clean ones."""


@register("protocol", "p2")
@dataclass(frozen=True)
class P2:
    """Test samples under each corruption that files of the data's kind are met in, at some severities.

    Probes are fitted on clean embeddings. Views are what files hold, see ``structures.batch.stored``, and are the same
    for all encoders.

    Args:
        samples: test samples, the first ones.
        severities: at which each corruption is asked about; what has none is asked about once.
        families: names of the corruptions; None: those that suit the data, see ``Corruption.suits``.

    Raises:
        ValueError: no sample, no severity or one outside 1 to 5.
    """

    samples: int = 500
    severities: Sequence[float] = (1, 3, 5)
    families: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"probe.protocol.corrupted.samples={self.samples}: expected at least 1")
        if not self.severities or not all(1 <= severity <= 5 for severity in self.severities):
            given = [*self.severities]
            raise ValueError(
                f"probe.protocol.corrupted.severities={given}: expected numbers from 1 to 5, such as [1,3,5]"
            )

    def families_of(self, grid: GridSpec) -> list[str]:
        """Names of the corruptions that samples of a grid are asked under.

        Raises:
            ValueError: there is no such corruption.
        """
        known = part_names("corruption")
        if self.families is None:
            return [name for name in known if lookup("corruption", name).target.suits(grid)]  # pyright: ignore
        for name in self.families:
            if name not in known:
                raise ValueError(f"probe.protocol.corrupted.families: there is no {name!r}; {nearest(name, known)}")
        return [*self.families]

    def corruptions(self, grid: GridSpec) -> dict[str, Corruption]:
        """By form, bound to the grid."""
        found: dict[str, Corruption] = {}
        for name in self.families_of(grid):
            make = lookup("corruption", name).target
            if not make.levels:  # pyright: ignore
                found[name] = make().bind(grid)
                continue
            found |= {f"{name}/{severity:g}": make(severity=severity).bind(grid) for severity in self.severities}
        return found

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
                for name, corruption in corruptions.items():
                    view = corruption(clean, generator("cpu", "p2", name, step))
                    form = batch._replace(x=stored(view.x, grid), valid=view.valid)
                    rows[name].append(_embedded(embed, form))
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
        return _means(scores) | scores | {"corrupted_tested": int(asked.sum()) or len(asked)}


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


def by_form(scores: Mapping[str, float]) -> dict[str, Any]:
    """Scores of an encoder with those of each corruption in one place, ``corrupted_forms``, by probe and form.

    >>> by_form({"corrupted/knn": 50.0, "corrupted/knn/clean": 90.0, "corrupted/knn/noise/1": 60.0})
    {'corrupted/knn': 50.0, 'corrupted/knn/clean': 90.0, 'corrupted_forms': {'knn': {'noise/1': 60.0}}}
    """
    rest, forms = {}, defaultdict(dict)
    for key, value in scores.items():
        name, _, form = key.removeprefix("corrupted/").partition("/")
        if key.startswith("corrupted/") and form not in ("", CLEAN):
            forms[name][form] = value
        else:
            rest[key] = value
    return rest | ({"corrupted_forms": dict(forms)} if forms else {})


def _means(scores: Mapping[str, float]) -> dict[str, float]:
    """Over the severities of each family, then over the families."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for key, value in scores.items():
        _, probe, family, *_ = key.split("/")
        if family != CLEAN:
            found[f"corrupted/{probe}"][family].append(value)
    return {key: float(np.mean([np.mean(some) for some in of.values()])) for key, of in found.items()}


def seen_families(corruptions: Mapping[str, Corruption], families: Sequence[str]) -> list[str]:
    """Which of the families views of a graph are made with, also within a chain or as one of many."""
    used: set[type] = set()
    rest = [*corruptions.values()]
    while rest:
        part = rest.pop()
        used.add(type(part))
        rest += part.parts.values() if isinstance(part, Composed) else ()
    return [name for name in families if lookup("corruption", name).target in used]
