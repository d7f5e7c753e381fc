"""From a folder to the model in it: plain values and tensors are read, nothing is executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ssl_pipeline.config.build import build_part, is_part
from ssl_pipeline.config.saved import CODECS, CONFIG, SAMPLES_CODEC, read_saved
from ssl_pipeline.data import Codec, TableCodec
from ssl_pipeline.data.codecs.table import FEATURE
from ssl_pipeline.graph.builder import GROUPS, GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.recognizer import read_recognizer
from ssl_pipeline.inference.weights import WEIGHTS, read_safetensors, read_weights
from ssl_pipeline.models.encoders import trained_before
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.per_data_set import split_sets
from ssl_pipeline.utils.signatures import checked

EXPORT = {"part", "view", "data", "format"}
LATER = {"teacher"}
"""A group that older runs have not."""


@checked
def load(
    path: str | Path,
    data: str | None = None,
    *,
    trust: tuple[str, ...] = (),
    encoder: nn.Module | None = None,
) -> Model:
    """The model of a run's folder, or of one that was exported as safetensors. Never runs code from a file.

    Args:
        path: the folder.
        data: name of the data set whose stem and heads are wanted, of a run on several.
        trust: packages besides this one and its plug-ins whose classes its configuration may name.
        encoder: the module, where the run was pretrained from Python with one; a copy of it takes the run's weights,
            and tables have no row of an untrained encoder, since how it was before is not known.

    Raises:
        FileNotFoundError: no such folder, or something is missing in it.
        ValueError: a damaged file, a class that is not trusted, no such data set, or no ``encoder``
            where one is needed.
    """
    folder = Path(path)
    config = _config(folder, trust)
    exported = config.get("export")
    if exported is not None:
        if exported["format"] != "safetensors":
            what = f"{exported['part']} as {exported['format']}"
            raise ValueError(f"{folder} holds {what}, which runs without this package: its README.md says how")
        if data not in (None, exported["data"]):
            raise ValueError(
                f"data={data}: {folder} holds a part of {exported['data'] or 'a run on one data set'} alone"
            )
        data = exported["data"]
    sets = config.get("sets", {})
    if data not in (sets or {None}):
        one = next(iter(sets), None)
        advice = f"name one of them, as load(folder, {one!r}), or set={one} of a command" if sets else "name none"
        raise ValueError(f"this run was trained on {', '.join(sets) or 'one data set'}, got {data}: {advice}")
    spec = DataSpec.from_plain((config if data is None else sets[data])["spec"])
    settled = config | {"allow_collapse": True}  # what is trained is not judged by what training would now refuse
    own = None if encoder is None else trained_before(encoder, copy=True)
    graph = GraphFactory(settled, trust=trust, encoder=own).build(spec, fitting=data is not None)
    columns = spec.columns
    found = {name: read_codec(folder, f"columns.{name}", trust) for name in columns}
    codecs = {name: codec for name, codec in found.items() if codec is not None}
    codec = read_codec(folder, SAMPLES_CODEC if exported is not None else data or SAMPLES_CODEC, trust)
    check_scales(folder, spec.grid, codec)
    if exported is None:
        prefix = "" if data is None else f"{data}."
        weights = {k.removeprefix(prefix): v for k, v in read_weights(folder).items() if k.startswith(prefix)}
        if lost := _fill(graph, weights, folder):
            raise ValueError(_unfit(folder, lost[0]))
        recognizer = read_recognizer(folder if data is None else folder / data)
        return Model(graph, config, codec, data=data, trust=trust, columns=codecs, recognizer=recognizer)
    held = (exported["part"], exported["view"])
    model = Model(graph, config, codec, held, data, trust, codecs)
    if lost := _fill(model.part(), read_safetensors(folder / WEIGHTS), folder):
        raise ValueError(f"{folder / WEIGHTS} lacks {lost[0]}, which {exported['part']} needs: export it again")
    return model


def extended(model: Model, shape: tuple[int, ...]) -> Model:
    """The same weights, of a model that takes any size, on a grid of so many cells as large as before."""
    if shape == model.grid.shape:
        return model
    graph = untrained_graph(model, replace(model.spec, grid=model.grid.extended(shape)))
    other = Model(graph, model.config, model.codec, model.held, model.data, model.trust, model.columns)
    ours, theirs = (model.part(), other.part()) if model.held else (model.graph, graph)
    theirs.load_state_dict(ours.state_dict())
    return other.to(model.device)


def untrained_graph(model: Model, spec: DataSpec) -> Graph:
    """The graph of a model as it was before the training, on data of its own or of another size."""
    factory = GraphFactory(model.config | {"allow_collapse": True}, trust=model.trust, encoder=model.encoder_object)
    return factory.build(spec, fitting=model.data is not None)


def _fill(module: nn.Module, weights: dict[str, Tensor], folder: Path) -> list[str]:
    """Give a module its weights; returns the names of those that there are none for.

    Raises:
        ValueError: they are not those of the configuration.
    """
    try:
        lost = module.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ValueError(_unfit(folder, " ".join(str(error).split()))) from None
    if lost.unexpected_keys:
        raise ValueError(_unfit(folder, lost.unexpected_keys[0]))
    return lost.missing_keys


def _unfit(folder: Path, why: str) -> str:
    return f"the weights in {folder} do not fit its config.yaml ({why}): restore the files"


def _config(folder: Path, trust: tuple[str, ...]) -> dict[str, Any]:
    """The configuration of a run, with all that a graph is built from."""
    file, config = folder / CONFIG, read_saved(folder, trust).config
    try:
        for about in split_sets(config).values():
            DataSpec.from_plain(about["spec"])
        exported = config.get("export") or dict.fromkeys(EXPORT)
        lost = {*GROUPS, "data", "views_per_step"} - config.keys() - LATER | EXPORT - exported.keys()
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{file} is damaged ({type(error).__name__}: {' '.join(str(error).split())})") from None
    if lost:
        raise ValueError(f"{file} is damaged: it lacks {', '.join(sorted(lost))}")
    if not isinstance(config["data"], Mapping):
        raise ValueError(f"{file} is damaged: data holds no options, got {config['data']!r}")
    return config


def check_scales(folder: Path, grid: GridSpec, codec: Codec | None) -> None:
    """Refuse a table whose columns and scales are lost.

    Raises:
        ValueError: likewise.
    """
    if grid.names == (FEATURE,) and not isinstance(codec, TableCodec):
        raise ValueError(f"{folder / CODECS} lacks the columns and scales of a table: restore the file")


def read_codec(folder: Path, part: str = SAMPLES_CODEC, trust: tuple[str, ...] = ()) -> Codec | None:
    """The codec of a run's samples, or of another part; None where it has none.

    Raises:
        ValueError: a damaged file.
    """
    file = folder / CODECS
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text())
        if not isinstance(found, dict):
            raise TypeError(f"expected codecs by name, got a {type(found).__name__}")
        if part not in found:
            return None
        options = dict(found[part])  # plain values: what stands in them is never made into things
    except (RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged ({error}): restore the file") from None
    if not is_part(options):
        raise ValueError(f"{file} is damaged: expected the name of a codec as type, got {options}")
    return build_part("codec", options, at=str(file), trust=trust)
