"""Going on with a run: its saved configuration, and what may differ from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ssl_pipeline.config.places import is_place
from ssl_pipeline.config.saved import check_whole, read_saved

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

_ALLOWED = ("optimizer.lr", "batch_size")
"""What may be set anew where the command line says it, such as after a divergence; not in ``resume=auto``."""

_SAID = (
    *_ALLOWED,
    "hardware.precision",
    "trainer.gradient_clip_val",
    "trainer.gradient_clip_algorithm",
    "trainer.accumulate_grad_batches",
)
"""What a run that goes on says where it differs, for its numbers will."""


class Resumed(NamedTuple):
    """The configuration with which a run goes on.

    Args:
        config: plain dictionaries.
        ignored: places that the saved file named and that are not taken from it, as dotted keys.
        changed: what differs from the run so far and changes its numbers, as ``KEY=VALUE (it was VALUE)``.
    """

    config: dict[str, Any]
    ignored: list[str]
    changed: list[str]


def resumed(asked: Mapping[str, Any], overrides: Sequence[str]) -> Resumed:
    """The saved configuration of the run ``asked["resume"]``, with what these overrides may set anew.

    Args:
        asked: the configuration that the command line composes.
        overrides: of the command line.

    Raises:
        FileNotFoundError: the folder has no configuration.
        ValueError: an override would change what is trained.
    """
    if not Path(asked["resume"]).is_dir():
        raise FileNotFoundError(f"resume={asked['resume']}: there is no such folder")
    saved, ignored = read_saved(Path(asked["resume"]), tuple(asked.get("trust", ())))
    check_whole(saved, Path(asked["resume"]))
    anew, changed = set(), []
    for override in overrides:
        keys = override.lstrip("+~").partition("=")[0].partition("@")[0].replace("/", ".").split(".")
        wanted, had = _get(asked, keys), _get(saved, keys)
        if keys[0] == "experiment":
            raise ValueError(
                f"{override} cannot be set with resume: the run keeps its saved configuration; leave it out"
            )
        if keys[0] in FREE or is_place(keys) or ".".join(keys) in _ALLOWED:
            if wanted != had and ".".join(keys) in _SAID:
                changed.append(f"{'.'.join(keys)}={wanted} (it was {had})")
            _set(saved, keys, wanted)
            anew.add(".".join(keys))
        elif other := next(_differing(wanted, had, tuple(keys)), None):
            raise ValueError(
                f"{override} differs from the run that is resumed ({'.'.join(other)} was {_get(saved, other)}): leave "
                f"it out, or start a new run from its weights with init_from={asked['resume']}"
            )
    lost = [key for key in ignored if not any(f"{key}.".startswith(f"{one}.") for one in anew)]
    return Resumed(saved | {"resume": asked["resume"]}, lost, changed)


def again(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The same command once more: the saved configuration of ``asked["resume"]``, with what may be set anew.

    Raises:
        ValueError: the command would train something else.
    """
    saved = read_saved(Path(asked["resume"])).config
    check_whole(saved, Path(asked["resume"]))
    given = {key: value for key, value in asked.items() if key not in FREE}
    for keys in dict.fromkeys([*_leaves(given), *_leaves({key: saved.get(key) for key in given})]):
        had, wanted = _get(saved, keys), _get(given, keys)
        if is_place(keys):
            _set(saved, keys, wanted)
        elif (wanted, had) == ({}, None):  # of a group that is younger than the run: nothing chosen
            continue
        elif not _is_same(wanted, had, keys):
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


def _is_same(wanted: Any, had: Any, keys: Sequence[str]) -> bool:
    """Whether two values are equal, or one asks for the range that the run has found."""
    return wanted == had or (keys[0] == "data" and keys[-1] == "range" and wanted == "auto")


def _differing(wanted: Any, had: Any, keys: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Options that are not the same, but for where the data lies."""
    if not (isinstance(wanted, Mapping) and isinstance(had, Mapping)):
        if not _is_same(wanted, had, keys):
            yield keys
        return
    for key in dict.fromkeys([*wanted, *had]):
        if not is_place((*keys, key)):
            yield from _differing(wanted.get(key), had.get(key), (*keys, key))


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
