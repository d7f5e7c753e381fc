"""Going on with a run: its saved configuration, and what may differ from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

AUTO = "auto"
"""Go on in the run's folder where it holds a run, else begin one."""

CONFIG = "config.yaml"
FREE = (
    "trainer",
    "hardware",
    "checkpoint",
    "probe",
    "diagnostics",
    "report",
    "logger",
    "allow_collapse",
    "trust",
    "resume",
    "debug",
    "hydra",
)
"""What may be set anew, besides where the data lies: bounds, machine, when to save, what to measure and to refuse."""


def resumed(asked: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The saved configuration of the run ``asked["resume"]``, with the bounds and hardware of these overrides.

    Args:
        asked: the configuration that the command line composes.
        overrides: of the command line.

    Raises:
        FileNotFoundError: the folder has no configuration.
        ValueError: an override would change what is trained.
    """
    if not Path(asked["resume"]).is_dir():
        raise FileNotFoundError(f"resume={asked['resume']}: there is no such folder")
    path = Path(asked["resume"]) / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"resume={asked['resume']}: there is no {path.name} in it, so it is no run's folder")
    saved: dict[str, Any] = yaml.safe_load(path.read_text())
    for override in overrides:
        keys = override.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".").split(".")
        wanted, had = _get(asked, keys), _get(saved, keys)
        if keys[0] == "experiment":
            raise ValueError(
                f"{override} cannot be set with resume: the run keeps its saved configuration; leave it out"
            )
        if keys[0] in FREE or _is_place(keys):
            _set(saved, keys, wanted)
        elif wanted != had:
            raise ValueError(
                f"{override} differs from the run that is resumed ({'.'.join(keys)} was {had}): leave it out, "
                f"or start a new run from its weights with init_from={asked['resume']}"
            )
    # Whose code may run is said anew each time: the file that would say it may be somebody else's.
    return saved | {"resume": asked["resume"], "trust": asked.get("trust", [])}


def again(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The same command once more: the saved configuration of ``asked["resume"]``, with what may be set anew.

    Raises:
        ValueError: the command would train something else.
    """
    path = Path(asked["resume"]) / CONFIG
    saved: dict[str, Any] = yaml.safe_load(path.read_text())
    given = {key: value for key, value in asked.items() if key not in FREE}
    for keys in dict.fromkeys([*_leaves(given), *_leaves({key: saved.get(key) for key in given})]):
        had, wanted = _get(saved, keys), _get(given, keys)
        if _is_place(keys):
            _set(saved, keys, wanted)
        elif wanted != had and (wanted, had) != ({}, None):  # of a group that is younger than the run: nothing chosen
            name = ".".join(keys)
            raise ValueError(
                f"resume=auto: {asked['resume']} holds a run with {name}={had}, and this one has {name}={wanted}: "
                f"give it the same options, or another folder (hydra.run.dir=...)"
            )
    return saved | {key: asked[key] for key in FREE if key in asked}


def _leaves(node: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key)


def _is_place(keys: Sequence[str]) -> bool:
    """Whether an option says where the data lies."""
    return keys[0] == "data" and keys[-1] in ("root", "cache")


def _get(node: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        if not isinstance(node, Mapping) or key not in node:
            return None
        node = node[key]
    return node


def _set(node: dict[str, Any], keys: Sequence[str], value: Any) -> None:
    if keys[0] == "hydra":
        return
    for key in keys[:-1]:
        node = node.setdefault(key, {})
    node[keys[-1]] = value
