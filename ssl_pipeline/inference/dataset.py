"""The data set that a model is asked about: the run's own, or another of the same samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssl_pipeline.config.build import part_name
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.names import path_of_data
from ssl_pipeline.config.overrides import OptionsLike, options_of_data, overrides_of
from ssl_pipeline.config.suitable import IN_PYTHON
from ssl_pipeline.data import Codec, Data, Pixels, build_data
from ssl_pipeline.data.folders.contents import reader_of
from ssl_pipeline.data.in_python import python_data
from ssl_pipeline.inference.model import Model
from ssl_pipeline.structures.grid import GridSpec

CODEC_CHOICES = ("features", "tokens")
"""Options that choose the codec; all others that matter to a model are the codec's own."""


def data_of(model: Model, data: Any = None, options: OptionsLike | None = None, labels: Any = None) -> Data:
    """The one that is asked for, or else that of the run.

    Args:
        model: whose samples these are to be.
        data: its name; a folder or a table, which is read as the run's own was; a ``Data``; or whatever ``pretrain``
            takes, read with the options of a run on such data; None for the run's own.
        options: further ones, ``{"data.root": "path"}`` or as on the command line, ``["data=digits"]``.
        labels: one for each sample of data that is passed itself.

    Raises:
        ValueError: its samples are not those that the model takes; labels of data that has its own.
    """
    own = model.config["data"]
    passed = _passed(data, options, labels, own, model)
    if passed is not None:
        found = passed.with_codec(model.codec)
        if isinstance(data, Data):
            _check_fit(model, found, {})
            return found
        _check_fit(model, replace(found, codec=None), {})  # what reads files has read no tensors
        return replace(found, codec=model.codec)
    assert data is None or isinstance(data, str | Path)  # what else there is was passed itself
    words = _words_of(data, options, own)
    wanted = data_options(words, own, model.codec) if words else own
    try:
        sets = build_data(wanted, model.trust)
    except ValueError as error:
        if model.held is None or words:
            raise
        raise ValueError(f"{error}: an exported part does not say where its data lie, name them, data=...") from None
    if len(sets) > 1 and model.data is not None and model.data in sets:
        wanted, found = wanted["sets"][model.data], sets[model.data]
    else:
        found = sets.only
    found = found.with_codec(model.codec)
    _check_fit(model, found, wanted)
    return found


def data_of_timm(name: str, data: Any, options: OptionsLike | None = None, labels: Any = None) -> Data:
    """Samples for a model that is of no run.

    Args:
        name: of the model, for errors.
        data: see ``data_of``.
        options: see ``data_of``.
        labels: see ``data_of``.

    Raises:
        ValueError: no data set is named, or one of several kinds of data.
    """
    if (passed := _passed(data, options, labels)) is not None:
        return passed
    words = [*([] if data is None else overrides_of({"data": str(data)})), *overrides_of(options)]
    if not words:
        raise ValueError(f"run={name} has no data of its own: name some, data=...")
    return build_data(data_options(words)).only


def _passed(
    data: Any, options: OptionsLike | None, labels: Any, own: Mapping[str, Any] = {}, model: Model | None = None
) -> Data | None:
    """Data that is passed itself; None where it is named, or a folder.

    Raises:
        ValueError: labels of data that has its own, or options that are no dictionary.
    """
    if isinstance(data, Data | str | Path | None):
        if labels is not None:
            raise ValueError(
                "labels= belong to data that is passed itself, as a tensor, and this has its own: drop them"
            )
        return data if isinstance(data, Data) else None
    further = options or {}
    if not isinstance(further, Mapping):
        raise ValueError("options of data that is passed itself are a dictionary, as {'data.split.holdout': 0.2}")
    mine: dict[str, Any] = {}
    for key, value in own.items() if part_name(own) == IN_PYTHON else ():
        if isinstance(value, Mapping):
            mine |= {f"{key}.{option}": one for option, one in value.items()}
        elif key not in ("type", "description"):
            mine[key] = value
    if model is not None and isinstance(model.codec, Pixels):
        mine["range"] = model.codec.range
    like = None if model is None else model.grid
    return python_data(data, labels, mine | options_of_data(further), like).data


def _words_of(data: str | Path | None, options: OptionsLike | None, own: Mapping[str, Any]) -> list[str]:
    """Words of a command line that ask for a data set."""
    further = overrides_of(options)
    if data is None:
        return further
    path = path_of_data(data, further)
    if path is None:
        return [*overrides_of({"data": str(data)}), *further]
    kind = part_name(own) if "root" in own else reader_of(path)
    return [*overrides_of({"data": kind, "data.root": str(path)}), *further]


def _check_fit(model: Model, data: Data, options: Mapping[str, Any]) -> None:
    """Refuse samples that the model does not take.

    Args:
        model: that is to take them.
        data: the samples.
        options: of the data set, some of which would make them fit.

    Raises:
        ValueError: other sizes, channels or another codec; with the options to set.
    """
    theirs, mine = ({} if codec is None else codec.plain() for codec in (data.codec, model.codec))
    if data.grid == model.grid and not (theirs and mine and theirs != mine):
        return
    own = model.config["data"]
    wanted = {key: value for key, value in mine.items() if theirs.get(key) != value and key != "type"}
    wanted |= {key: own[key] for key in CODEC_CHOICES if key in own and own[key] != options.get(key)}
    places = {key: key for key in options} | {
        inner: f"{key}.{inner}" for key, group in options.items() if isinstance(group, Mapping) for inner in group
    }
    advice = " ".join(f"data.{places[key]}={value}" for key, value in wanted.items() if key in places)
    raise ValueError(
        f"the model takes samples of {described(model.grid, model.codec)}, and {data.name} gives "
        f"{described(data.grid, data.codec)}: {f'set {advice}' if advice else 'name another data set'}"
    )


def data_options(words: list[str], own: Mapping[str, Any] | None = None, codec: Codec | None = None) -> dict[str, Any]:
    """Options of the data set that is asked for. What nobody says is as the model's codec has it, and else, where the
    data set is of the run's own kind, as in the run.

    Args:
        words: data=NAME, data.KEY=VALUE.
        own: options of the run's data set, if there is a run.
        codec: of the model, if there is one.

    Raises:
        ValueError: options of a data set that is not named.
    """
    keys = [word.partition("=")[0] for word in words]
    if "data" not in keys:
        raise ValueError(f"{words[0]} is an option of a data set: name that, too, such as data=folder")
    found = compose(words, notes=False)["data"]
    asked_for = {tuple(key.split(".")[1:]) for key in keys if "." in key}
    if own is not None and part_name(found) == part_name(own):
        found = _filled(found, own, asked_for)
    known = {} if codec is None else codec.plain()
    return found | {key: known[key] for key in known if key in found and key != "type" and (key,) not in asked_for}


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
