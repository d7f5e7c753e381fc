"""Scores of the raw input and of the untrained encoder: the same in every run on the same data, so they are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.data import Data, sequential_batches
from ssl_pipeline.data.cache.folder import cache_folder
from ssl_pipeline.evaluation.frozen_features import Features, digests
from ssl_pipeline.evaluation.protocol import P1
from ssl_pipeline.evaluation.untrained import WARM_UP
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.utils.places import replace_text

_LIBRARIES = ("numpy", "scikit-learn", "torch", "torchvision", "timm")
_KNOWN = {"ssl_pipeline", "torch", "torchvision", "timm"}
"""Packages whose code a key tells of."""


class Twin(NamedTuple):
    """A graph as it was before the training."""

    make: Callable[[], Graph]
    description: Mapping[str, Any]  # its configuration, in plain values; what it leaves out the first weights tell


def key_of_raw(data: Data, protocol: P1, seen: Features) -> str | None:
    """Under which scores of the raw input are kept: samples, protocol and code; None of a protocol from outside.

    Args:
        data: that is probed.
        protocol: of the probes.
        seen: features of any encoder, which know what the samples were.
    """
    if type(protocol) is not P1:
        return None
    fixed = [] if data.baseline is None else [data.baseline(next(sequential_batches(data.known, 16)))]
    return _key("raw", data.grid.to_plain(), protocol, _samples(seen), [_sum(digests(x)) for x in fixed])


def key_of_twin(graph: Graph, twin: Twin, data: Data, device: torch.device, raw: str | None) -> str | None:
    """Under which scores of an untrained graph are kept; None where its code is not all known.

    Args:
        graph: as ``twin`` made it.
        twin: with its configuration.
        data: what its running statistics are taken from.
        device: where it embeds.
        raw: key of the raw input of what is probed.
    """
    parts = (*graph.modules(), *graph.corruptions.values())
    if raw is None or {type(part).__module__.partition(".")[0] for part in parts} - _KNOWN:
        return None
    weights = {name: _sum(_bytes(x)) for name, x in graph.state_dict().items()}
    warm = [_sum(digests(batch.x)) for batch in sequential_batches(data.train, *WARM_UP)]
    return _key("untrained", dict(twin.description), weights, warm, device.type, raw)


def cached(key: str | None, compute: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Numbers that were computed under this key before, or else are now.

    Args:
        key: None: nothing is kept.
        compute: gives them.
    """
    if key is None:
        return compute()
    file = baselines_folder() / f"{key}.json"
    if (known := _read(file)) is not None:
        return known
    found = compute()
    with suppress(OSError):  # a full disk, or one that is read only: the next run computes them again
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(file, json.dumps(found) + "\n")
    return found


def baselines_folder() -> Path:
    """Where they are kept; it may be removed at any time."""
    return cache_folder(None) / "baselines"


def _read(file: Path) -> dict[str, float] | None:
    """What a file holds; None where there is none, or one that is no table of finite numbers."""
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    numbers = isinstance(found, dict) and all(type(x) in (int, float) and isfinite(x) for x in found.values())
    return found if numbers else None


def _key(kind: str, *parts: Any) -> str:
    plain = [asdict(part) if isinstance(part, P1) else part for part in parts]
    text = json.dumps([kind, *plain, _code()], sort_keys=True, default=str)
    return f"{kind}-{sha256(text.encode()).hexdigest()[:32]}"


def _samples(seen: Features) -> list[str]:
    """Sums of what the samples were, with their labels and sources."""
    parts = [part for part in (seen.train, seen.test, *seen.variants.values()) if part is not None]
    return [_sum(array) for part in parts for array in part[1:] if array is not None]


def _bytes(x: Tensor) -> np.ndarray:
    return x.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy()


def _sum(array: np.ndarray) -> str:
    return sha256(array.tobytes()).hexdigest()


@cache
def _code() -> dict[str, str]:
    """Versions of the libraries, and a sum of this package's own code: whatever changes a number changes it."""
    own, package = sha256(), Path(__file__).parents[1]
    for file in sorted(package.rglob("*.py")):
        own.update(file.read_bytes())
    return {name: version(name) for name in _LIBRARIES} | {"ssl_pipeline": own.hexdigest()}
