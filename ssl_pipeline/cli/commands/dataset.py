"""The data set that a command works on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssl_pipeline.config.build import part_name
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Codec, Data, build_data
from ssl_pipeline.inference.model import Model
from ssl_pipeline.structures.grid import GridSpec

KINDS = ("features", "tokens")
"""Options that choose the codec; all others that matter to a model are the codec's own."""


def data_of(model: Model, overrides: list[str]) -> Data:
    """The one that is asked for, or else that of the run.

    Args:
        model: whose samples these are to be.
        overrides: data=NAME, data.KEY=VALUE; none for the run's own.

    Raises:
        ValueError: its samples are not those that the model takes.
    """
    own = model.config["data"]
    options = asked(overrides, own) if overrides else own
    try:
        sets = build_data(options, model.trust)
    except ValueError as error:
        if model.held is None or overrides:
            raise
        raise ValueError(f"{error}: an exported part does not say where its data lie, name them, data=...") from None
    if len(sets) > 1 and model.data is not None and model.data in sets:
        options, data = options["sets"][model.data], sets[model.data]
    else:
        data = sets.only
    theirs, mine = ({} if codec is None else codec.plain() for codec in (data.codec, model.codec))
    if data.grid != model.grid or (theirs and mine and theirs != mine):
        wanted = {key: value for key, value in mine.items() if theirs.get(key) != value and key != "type"}
        wanted |= {key: own[key] for key in KINDS if key in own and own[key] != options.get(key)}
        places = {key: key for key in options} | {
            inner: f"{key}.{inner}" for key, group in options.items() if isinstance(group, Mapping) for inner in group
        }
        advice = " ".join(f"data.{places[key]}={value}" for key, value in wanted.items() if key in places)
        raise ValueError(
            f"the model takes samples of {described(model.grid, model.codec)}, and {data.name} gives "
            f"{described(data.grid, data.codec)}: {f'set {advice}' if advice else 'name another data set'}"
        )
    return data


def asked(overrides: list[str], own: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Options of the data set that is asked for; where it is of the run's own kind, the run's are its defaults.

    Args:
        overrides: data=NAME, data.KEY=VALUE.
        own: options of the run's data set, if there is a run.

    Raises:
        ValueError: options of a data set that is not named.
    """
    keys = [word.partition("=")[0] for word in overrides]
    if "data" not in keys:
        raise ValueError(f"{overrides[0]} is an option of a data set: name that, too, such as data=folder")
    found = compose(overrides, notes=False)["data"]
    if own is None or part_name(found) != part_name(own):
        return found
    return _filled(found, own, {tuple(key.split(".")[1:]) for key in keys if "." in key})


def _filled(found: dict[str, Any], own: Mapping[str, Any], asked_for: set[tuple[str, ...]]) -> dict[str, Any]:
    """Options of ``own``, but for those that are asked for; groups of options are filled one by one."""
    filled = dict(found)
    for key, value in own.items():
        inside = {rest[1:] for rest in asked_for if rest[0] == key}
        if not inside:
            filled[key] = value
        elif () not in inside and isinstance(value, Mapping) and isinstance(found.get(key), dict):
            filled[key] = _filled(found[key], value, inside)
    return filled


def described(grid: GridSpec, codec: Codec | None = None) -> str:
    """Samples in words.

    >>> described(GridSpec.of(("y", 8), ("x", 8), channels=1))
    '(8, 8) with 1 channel'
    """
    made = "" if codec is None else f" made by {type(codec).__name__}"
    cell = f"{grid.vocab} symbols" if grid.discrete else f"{grid.width} channel{'s' * (grid.width > 1)}"
    return f"({', '.join(map(str, grid.shape))}) with {cell}{made}"
