"""Several data sets in one run."""

from __future__ import annotations

from collections.abc import Mapping

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.data_sets import DataSets


@register("data", "mixed", parts={"sets": "data"})
def mixed(sets: Mapping[str, Data | DataSets]) -> DataSets:
    """Data sets for one run with a shared trunk.

    Args:
        sets: by the names under which the run reports them.

    Raises:
        ValueError: fewer than two, or sets within sets.
    """
    if len(sets) < 2:
        raise ValueError(f"data=mixed trains on at least two sets together, got {', '.join(sets) or 'none'}: name more")
    single = {name: one for name, one in sets.items() if isinstance(one, Data)}
    for name in sets.keys() - single.keys():
        raise ValueError(f"data.sets.{name} is mixed itself: name each of its sets here")
    return DataSets(single)
