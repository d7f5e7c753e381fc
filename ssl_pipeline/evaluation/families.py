"""The corruptions that test samples are asked under."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

from ssl_pipeline.config.registry import lookup, part_names
from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.structures.batch import View, stored
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator
from ssl_pipeline.utils.errors import nearest

CLEAN = "clean"


@dataclass(frozen=True)
class Families:
    """Corruptions that files of the data's kind are met in, at some severities.

    Args:
        samples: test samples.
        severities: at which each corruption is asked about; what has none is asked about once.
        families: names of the corruptions; None: those that suit the data, see ``Corruption.suits``.

    Raises:
        ValueError: no sample, no severity or one outside 1 to 5.
    """

    samples: int
    severities: Sequence[float] = (1, 3, 5)
    families: Sequence[str] | None = None

    option: ClassVar[str]
    """Where it stands in a configuration."""

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"{self.option}.samples={self.samples}: expected at least 1")
        if not self.severities or not all(1 <= severity <= 5 for severity in self.severities):
            given = [*self.severities]
            raise ValueError(f"{self.option}.severities={given}: expected numbers from 1 to 5, such as [1,3,5]")

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
                raise ValueError(f"{self.option}.families: there is no {name!r}; {nearest(name, known)}")
        return [*self.families]

    def corruptions(self, grid: GridSpec) -> dict[str, Corruption]:
        """By form, ``FAMILY/SEVERITY`` or ``FAMILY``, bound to the grid."""
        found: dict[str, Corruption] = {}
        for name in self.families_of(grid):
            make = lookup("corruption", name).target
            if not make.levels:  # pyright: ignore
                found[name] = make().bind(grid)
                continue
            found |= {f"{name}/{severity:g}": make(severity=severity).bind(grid) for severity in self.severities}
        return found


def views_of_forms(
    corruptions: Mapping[str, Corruption], clean: View, key: str, step: int
) -> Iterator[tuple[str, View]]:
    """Views of clean samples in each form, as files hold them.

    Args:
        corruptions: by form, bound.
        clean: the samples, on the processor.
        key, step: of the random numbers.
    """
    for form, corruption in corruptions.items():
        view = corruption(clean, generator("cpu", key, form, step))
        yield form, view._replace(x=stored(view.x, corruption.grid))


def by_form(scores: Mapping[str, float], kind: str) -> dict[str, Any]:
    """Scores with those of each corruption in one place, ``KIND_forms``, by measure and form.

    >>> by_form({"corrupted/knn": 50.0, "corrupted/knn/clean": 90.0, "corrupted/knn/noise/1": 60.0}, "corrupted")
    {'corrupted/knn': 50.0, 'corrupted/knn/clean': 90.0, 'corrupted_forms': {'knn': {'noise/1': 60.0}}}
    """
    rest, forms = {}, defaultdict(dict)
    for key, value in scores.items():
        name, _, form = key.removeprefix(f"{kind}/").partition("/")
        if key.startswith(f"{kind}/") and form not in ("", CLEAN):
            forms[name][form] = value
        else:
            rest[key] = value
    return rest | ({f"{kind}_forms": dict(forms)} if forms else {})


def family_means(scores: Mapping[str, float]) -> dict[str, float]:
    """Of scores by ``KIND/MEASURE/FORM`` the mean over the severities of each family, then over the families.

    >>> family_means({"corrupted/knn/noise/1": 60.0, "corrupted/knn/noise/5": 20.0, "corrupted/knn/turn": 50.0})
    {'corrupted/knn': 45.0}
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for key, value in scores.items():
        kind, measure, family, *_ = key.split("/")
        if family != CLEAN:
            found[f"{kind}/{measure}"][family].append(value)
    return {key: fmean(map(fmean, of.values())) for key, of in found.items()}
