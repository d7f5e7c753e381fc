"""Reading a graph's weights from a run's folder: tensors only, nothing is executed."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

PREFIX = "graph."


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Weights of the graph in a run's last checkpoint.

    Raises:
        FileNotFoundError: the folder has no checkpoint.
        ValueError: the file is damaged or holds more than weights.
    """
    path = folder / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run's folder: it has no checkpoints/last.ckpt")
    try:
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except (KeyError, UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged or holds more than weights, so it is not loaded: {error}") from None
    return {key.removeprefix(PREFIX): value for key, value in weights.items() if key.startswith(PREFIX)}


def load_weights(graph: nn.Module, folder: Path, partial: bool = False) -> list[str]:
    """Start a graph from the weights of a run; returns the names of those that it had not.

    Args:
        graph: takes the weights.
        folder: the run's folder.
        partial: take what fits by name and shape and leave the rest.

    Raises:
        ValueError: names or shapes differ, and ``partial`` is not set.
    """
    weights, own = read_weights(folder), graph.state_dict()
    fitting = {key: value for key, value in weights.items() if key in own and own[key].shape == value.shape}
    missing, unused = sorted(set(own) - set(fitting)), sorted(set(weights) - set(fitting))
    if (missing or unused) and not partial:
        raise ValueError(
            f"init_from={folder}: the weights do not fit (a name on both lists has another shape), "
            f"missing {_some(missing)}, unused {_some(unused)}; take the same configuration, "
            f"or set init_partial=true to load what fits"
        )
    if not fitting:
        raise ValueError(f"init_from={folder}: not one of its weights fits this graph")
    graph.load_state_dict(fitting, strict=False)
    return missing


def _some(names: list[str]) -> str:
    return "none" if not names else ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
