"""Reading a graph's weights from a run's folder: tensors only, nothing is executed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from hashlib import file_digest
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ssl_pipeline.utils.checkpoints import LAST, PREVIOUS, is_readable

PREFIX = "graph."
WEIGHTS = "weights.safetensors"


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Weights of the graph in a run's last checkpoint.

    Raises:
        FileNotFoundError: the folder has no checkpoint.
        ValueError: the file is damaged or holds more than weights.
    """
    path = folder / "checkpoints" / LAST
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run's folder: it has no checkpoints/{LAST}")
    try:
        if not is_readable(path):
            raise ValueError("its parts do not have the sums that were written with them")
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except (KeyError, UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        before = path.with_name(PREVIOUS)
        advice = f"; {before} can be read: put it in its place" if is_readable(before) else ""
        why = str(error).partition("\n")[0] or "it is empty"
        why = (
            "it names code, and none of it is run" if isinstance(error, UnpicklingError) else why
        )  # not torch's advice
        raise ValueError(f"{path} is damaged or holds more than weights, so it is not loaded ({why}){advice}") from None
    return {key.removeprefix(PREFIX): value for key, value in weights.items() if key.startswith(PREFIX)}


def write_safetensors(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name, what is said of them, and next to them their sum, as ``sha256sum --check`` reads it."""
    path.touch()  # readable as files are here; the library makes its own for the owner alone
    mode = path.stat().st_mode
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    save_file(tensors, path, None if metadata is None else dict(metadata))
    path.chmod(mode)
    _sum_of(path).write_text(f"{_sum(path)}  {path.name}\n")


def remove_safetensors(path: Path) -> None:
    """Remove a file of them, and its sum, where there is one."""
    for file in (path, _sum_of(path)):
        file.unlink(missing_ok=True)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: export the model again")
    sums = _sum_of(path)
    if sums.is_file() and sums.read_text().partition(" ")[0] != _sum(path):
        raise ValueError(
            f"{path} is damaged, so it is not loaded (it has another sum than {sums.name} says): export the model "
            f"again, or remove that file if you have changed the weights yourself"
        )
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(f"{path} is damaged, so it is not loaded ({error}): export the model again") from None


def _sum_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


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
    if not partial and (wrong := _wrong(own, weights)):
        raise ValueError(
            f"init_from={folder}: the weights do not fit this graph ({wrong}): take the same configuration, "
            f"or set init_partial=true to load what fits"
        )
    if not fitting:
        raise ValueError(f"init_from={folder}: not one of its weights fits this graph")
    graph.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


def _wrong(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """What keeps weights from being those of a graph, as the middle of a sentence; empty where nothing does."""
    missing, unused, common = own.keys() - weights, weights.keys() - own, own.keys() & weights
    shapes = {key: (tuple(weights[key].shape), tuple(own[key].shape)) for key in sorted(common)}
    other = [f"{key} is {theirs} and should be {ours}" for key, (theirs, ours) in shapes.items() if theirs != ours]
    names = own.keys() | weights
    lists = {"missing": _parts(missing, names), "unused": _parts(unused, names), "of another shape": other}
    return "; ".join(f"{what}: {_some(found)}" for what, found in lists.items() if found)


def _parts(names: Set[str], among: Set[str]) -> list[str]:
    """The largest parts of a graph whose weights all have such a name.

    >>> _parts({"teacher.a", "teacher.b", "head.a"}, {"teacher.a", "teacher.b", "head.a", "head.b"})
    ['head.a', 'teacher (2 weights)']
    """
    mixed, found = {part for name in among - names for part in _above(name)}, defaultdict(list)
    for name in sorted(names):
        found[next(part for part in _above(name) if part not in mixed)].append(name)
    return [some[0] if len(some) == 1 else f"{part} ({len(some)} weights)" for part, some in found.items()]


def _above(name: str) -> list[str]:
    """A dotted name and the parts that it lies in, the largest first."""
    words = name.split(".")
    return [".".join(words[: i + 1]) for i in range(len(words))]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
