"""The saved configuration of a run, which may be somebody else's: the only way from a file to a graph or a run.

What a file says is checked by ``build_part`` as what is typed is: registered parts and plain values. Besides, it does
not decide whose code is trusted, what is downloaded, and where anything is written or sent to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ssl_pipeline.config.build import is_part
from ssl_pipeline.config.registry import lookup

CONFIG, CODECS, SUMMARY = "config.yaml", "codecs.json", "summary.json"
SAMPLES_CODEC = "samples"
"""Under this name the file of codecs has that of the samples; of several data sets under the names of these."""

_MODELS = {"encoder": "encoder", "decoder": "decoder"}
_KINDS: dict[str, Any] = {
    **{group: group for group in ("data", "encoder", "latent", "decoder", "teacher", "sampler", "logger")},
    **{group: {"*": group} for group in ("corruption", "objective", "callback")},
    "columns": {"*": _MODELS},
    "edge": {"loss": "loss", "*": {"loss": "loss"}},  # one, or several by name
    "optimizer": {"make": "optimizer"},
    "probe": {"protocol": "protocol"},
}
"""Kinds of the parts in a configuration, by the keys that lead to them; ``*`` is any key."""


_GROUPS = ("data", "corruption", "encoder", "latent", "decoder", "objective", "optimizer", "trainer", "probe")
_NEEDED = (*_GROUPS, "seed", "batch_size", "views_per_step")
"""Keys without which a run does not go on; groups that are younger than a run may be missing."""
_MAPPINGS = (*_GROUPS, "hardware", "checkpoint", "diagnostics", "report", "sets")


class Saved(NamedTuple):
    """What there is of a saved configuration.

    Args:
        config: plain dictionaries, ``trust`` as the caller said it.
        ignored: places that the file named and that are not taken from it, as dotted keys.
    """

    config: dict[str, Any]
    ignored: list[str]


def read_summary(folder: Path) -> dict[str, Any]:
    """The numbers of a run; of one that was killed before it wrote some, none.

    Raises:
        ValueError: a damaged file.
    """
    file = folder / SUMMARY
    try:
        return json.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}): delete it, and go on without its numbers") from None


def read_saved(folder: Path, trust: tuple[str, ...] = ()) -> Saved:
    """The configuration in a run's folder.

    Args:
        folder: of the run.
        trust: packages that the caller trusts.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read.
    """
    file = folder / CONFIG
    if not file.is_file():
        if not folder.exists():
            raise FileNotFoundError(f"there is no folder {folder}: name that of a run or of an export")
        raise FileNotFoundError(f"{folder} is no run's folder and no exported one: it has no {CONFIG}")
    try:
        config = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is damaged ({type(error).__name__}: {' '.join(str(error).split())})") from None
    if not isinstance(config, dict):
        raise ValueError(f"{file} is damaged: expected the keys of a configuration, got {type(config).__name__}")
    ignored: list[str] = []
    for group, kind in _KINDS.items():
        if group in config:
            config[group] = _settled(kind, config[group], group, ignored)
    return Saved(config | {"trust": [*trust]}, ignored)


def check_whole(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse a configuration with which training cannot go on.

    Raises:
        ValueError: a key is missing, or holds something else.
    """
    if lost := [key for key in _NEEDED if key not in config]:
        raise ValueError(f"{folder / CONFIG} is damaged: it lacks {', '.join(lost)}")
    about = [config, *(config["sets"].values() if isinstance(config.get("sets"), Mapping) else ())]
    wrong = [key for key in _MAPPINGS if not isinstance(config.get(key, {}), Mapping)]
    wrong += ["spec" for one in about if not (isinstance(one, Mapping) and isinstance(one.get("spec", {}), Mapping))]
    if wrong:
        raise ValueError(f"{folder / CONFIG} is damaged: {wrong[0]} holds no options, got {config.get(wrong[0])!r}")


def _settled(kind: Any, node: Any, at: str, ignored: list[str]) -> Any:
    """A node whose parts have those options settled that a file does not decide."""
    if isinstance(node, list):
        return [_settled(kind, one, f"{at}.{i}", ignored) for i, one in enumerate(node)]
    if isinstance(kind, str) and isinstance(node, str):  # a name alone, which says all where nothing is settled
        settled = _settled(kind, {"type": node}, at, ignored)
        return node if settled == {"type": node} else settled
    if not isinstance(node, Mapping):
        return node
    if isinstance(kind, str) and is_part(node):
        return _settled_part(kind, node, at, ignored)
    kinds = {"*": kind} if isinstance(kind, str) else kind or {}  # parts by name, or what leads to parts
    return {key: _settled(kinds.get(key, kinds.get("*")), value, f"{at}.{key}", ignored) for key, value in node.items()}


def _settled_part(kind: str, node: Mapping[str, Any], at: str, ignored: list[str]) -> Mapping[str, Any]:
    try:
        entry = lookup(kind, str(node.get("type")))
    except ValueError:  # no such part, which `build_part` refuses where it is needed
        return node
    settled = dict(node)
    for option, value in node.items():
        if (inner := entry.kind_of(option)) is not None and option != "type":
            settled[option] = _settled(inner, value, f"{at}.{option}", ignored)
    for place, value in entry.settled.items():
        group, _, option = place.rpartition(".")
        options = settled.get(group) or {} if group else settled
        if not isinstance(options, Mapping):
            continue  # which `build_part` refuses
        if isinstance(options.get(option), str):
            ignored.append(f"{at}.{place}")
        settled |= {group: {**options, option: value}} if group else {option: value}
    return settled
