"""What is known of each start of an edge, as the edge's model takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from torch import Tensor

from ssl_pipeline.data import Codec
from ssl_pipeline.inference.modules import Relation
from ssl_pipeline.utils.errors import nearest

Marks = Tensor | np.ndarray | None
Samples = Tensor | np.ndarray | Sequence[Any] | Path | Image


def rows_of_starts(
    part: Relation,
    starts: Mapping[str, Samples],
    codecs: Mapping[str, Codec | None],
    mask: Marks | Mapping[str, Marks] = None,
    valid: Marks | Mapping[str, Marks] = None,
) -> dict[str, Tensor]:
    """Inputs of the model by name, each (B, ...).

    Args:
        part: the model.
        starts: samples, by the views and columns that the edge starts from.
        codecs: what reads them, by start.
        mask: of the only start that is masked, or by start.
        valid: False = padding, of the only start or by start.

    Raises:
        ValueError: other starts than those of the edge, or starts of different numbers of samples.
    """
    if starts.keys() != part.sources.keys():
        raise ValueError(f"the edge starts from {', '.join(part.sources)}, got {', '.join(starts) or 'nothing'}")
    masks = _by_start("mask", mask, [*part.sources], [n for n, source in part.sources.items() if source.masked])
    real = _by_start("valid", valid, [*part.sources])
    rows = {}
    for name, source in part.sources.items():
        known = source.known(starts[name], codecs[name], masks.get(name), real.get(name))
        rows |= {part.key(name, key): value for key, value in known.items()}
    counts = {name: len(rows[part.key(name, "x")]) for name in part.sources}
    if len({*counts.values()}) > 1:
        sizes = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ValueError(f"expected as many samples of each start, got {sizes}")
    return rows


def _by_start(
    what: str, given: Marks | Mapping[str, Marks], starts: Sequence[str], meant: Sequence[str] = ()
) -> Mapping[str, Marks]:
    """What is known of each start of an edge.

    Args:
        what: name of the argument.
        given: by start, or of the only one.
        starts: all.
        meant: those of which such a thing is usually known; none: all.

    Raises:
        ValueError: another start, or it does not say of which of several.
    """
    if isinstance(given, Mapping):
        if wrong := given.keys() - {*starts}:
            raise ValueError(f"{what} names {min(wrong)!r}, which is no start; {nearest(min(wrong), starts)}")
        return given
    meant = meant or starts
    if given is not None and len(meant) > 1:
        raise ValueError(f"expected {what} by the name of a start, {{{meant[0]!r}: ...}}, got one: say of which it is")
    return {} if given is None else {meant[0]: given}
