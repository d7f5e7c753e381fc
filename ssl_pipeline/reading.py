"""From a folder to the model in it: plain values and tensors are read, nothing is executed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ssl_pipeline.build import build, grid_from_plain
from ssl_pipeline.datasets import BPE, Bytes, Codec, LogMel, Pixels, Waveform
from ssl_pipeline.inference import Model
from ssl_pipeline.instantiate import check, resolve
from ssl_pipeline.trials import examples, used
from ssl_pipeline.weights import WEIGHTS, read_safetensors, read_weights

CODECS = tuple(f"ssl_pipeline.datasets.{kind.__name__}" for kind in (BPE, Bytes, LogMel, Pixels, Waveform))
"""What a folder may name as its codec: these and nothing within them, for they can write files."""


def load(path: str | Path, data: str | None = None, *, trust: tuple[str, ...] = ()) -> Model:
    """The model of a run's folder, or of one that was exported as safetensors. Never runs code from a file.

    Args:
        path: the folder.
        data: name of the data set whose stem and heads are wanted, of a run on several.
        trust: packages besides this one whose classes its configuration may name.

    Raises:
        FileNotFoundError: no such folder, or something is missing in it.
        ValueError: a damaged file, a class that is not trusted, or no such data set.
    """
    folder = Path(path)
    config = _config(folder)
    exported = config.get("export")
    if exported is not None:
        if exported["format"] != "safetensors":
            raise ValueError(
                f"{folder} holds {exported['part']} as {exported['format']}: its README.md says how to run it"
            )
        data = exported["data"]
    sets = config.get("sets", {})
    if data not in (sets or {None}):
        raise ValueError(f"data={data!r}: this run was trained on {', '.join(sets) or 'one data set; leave it out'}")
    grid = grid_from_plain((config if data is None else sets[data])["grid"])
    settled = config | {"allow_collapse": True}  # what is trained is not judged by what training would now refuse
    graph = build(settled, grid, trust=trust, fitting=data is not None)
    if exported is None:
        weights, prefix = read_weights(folder), "" if data is None else f"graphs.{data}."
        graph.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
        return Model(graph, config, _codec(folder, data or "", trust), data=data)
    weights = read_safetensors(folder / WEIGHTS)
    try:
        unexpected = graph.load_state_dict(weights, strict=False).unexpected_keys
    except RuntimeError as error:
        raise ValueError(f"{folder / WEIGHTS} does not fit {folder / 'config.yaml'}: {error}") from None
    model = Model(graph, config, _codec(folder, "", trust), (exported["part"], exported["view"]), data)
    part = model.part()
    if wrong := [*unexpected, *sorted(used(part, examples(part, 1)) - weights.keys())]:
        raise ValueError(f"{folder / WEIGHTS} does not fit {folder / 'config.yaml'}, in {wrong[0]}: export it again")
    return model


def _config(folder: Path) -> dict[str, Any]:
    file = folder / "config.yaml"
    if not file.is_file():
        raise FileNotFoundError(f"{folder} is no run's folder and no exported one: it has no config.yaml")
    try:
        config = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is damaged: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict) or not {"grid", "sets"} & config.keys():
        raise ValueError(f"{file} is damaged: expected the configuration of a run, with its grid")
    return config


def _codec(folder: Path, part: str, trust: tuple[str, ...]) -> Codec | None:
    file = folder / "codecs.json"
    found = json.loads(file.read_text()) if file.is_file() else {}
    if part not in found:
        return None
    options = dict(found[part])  # plain values: what stands in them is never made into things
    name = options.pop("_target_", None)
    if name not in CODECS and not str(name).startswith(tuple(f"{prefix}." for prefix in trust)):
        raise ValueError(f"{file} names {name} as its codec, expected one of {', '.join(CODECS)}: restore the file")
    target = resolve(name, trust=trust)
    check(name, target, list(options), is_partial=False)
    return target(**options)
