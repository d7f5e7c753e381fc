"""Writing one model of a run into a folder, and the check that it is the same model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from math import floor, inf
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ssl_pipeline.config.saved import CODECS, CONFIG, SAMPLES_CODEC
from ssl_pipeline.exporting.formats import FORMATS, Call, Exported, as_tuple
from ssl_pipeline.exporting.from_pixels import FromPixels, from_pixels, nearness
from ssl_pipeline.exporting.lengths import free_dimensions, free_sizes, longer_grid
from ssl_pipeline.exporting.model_card import card
from ssl_pipeline.exporting.preprocessing import Records, metadata, preprocessings, write_config
from ssl_pipeline.graph.builder import GROUPS
from ssl_pipeline.inference.example_inputs import examples
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Back, Embedder, Part, Relation, Restorer, Translator
from ssl_pipeline.structures.nodes import CLEAN
from ssl_pipeline.utils.errors import nearest

TOLERANCE = 1e-3
"""Largest difference that is borne, as a share of the largest number that should come out."""


def export_part(
    model: Model,
    part: str,
    folder: Path,
    view: str | None = None,
    format: str = "safetensors",
    length: str | None = None,
    summary: Mapping[str, Any] | None = None,
    preprocess: bool = False,
) -> dict[str, float]:
    """Write a model of a run into a folder of its own, unless what is read back from there is another one.

    Args:
        model: of a run.
        part: see ``Model.part``.
        folder: is made; must not hold anything.
        view: see ``Model.part``.
        format: ``safetensors`` (weights and a plain configuration, for ``load``), ``torch_export`` or ``onnx``. The
            number of samples in a batch is free in all of them.
        length: name of an axis along which samples may have other sizes, too; of encoders in the last two formats.
        summary: numbers of the run, for the card.
        preprocess: whether the written model takes uint8 ``pixels`` (B, H, W, C) of any height and width and itself
            crops, resizes and scales them; of encoders of images in the last two formats.

    Returns:
        Largest difference between what the written and the live model give, as a share of its largest number, for
        each trial.

    Raises:
        ValueError: what ``part`` refuses; another format; a model that cannot be written so, or differs when read;
            ``preprocess`` of what is no image of 8 bits.
        FileExistsError: the folder holds something.
        ModuleNotFoundError: onnx, onnxscript and onnxruntime are needed and not installed.
    """
    _check_asked(model, folder, format, length)
    live = model.part(part, view)
    _check_format(live, part, format, length)
    exported, records, trials = _exported(model, live, format, length, preprocess)
    ends = {"inputs": list(exported.part.inputs), "outputs": list(live.outputs)}
    how = {"format": format, "length": length, "preprocess": preprocess}
    config = {"part": part, "view": view, "data": model.data, **how, **ends}
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _write_config(model, config, folder)
        write_config(records, folder)
        again = FORMATS[format](model, exported, folder)
        differences = _differences(exported.part, again, trials)
        if not (worst := max(differences.values())) <= TOLERANCE:
            raise ValueError(
                f"{part} as {format} gives other numbers than the live model (difference {worst:.2g} of the largest, "
                f"expected at most {TOLERANCE:g}), so it is not kept: take another format"
            )
        checks = _checks(model, exported, differences, trials)
        (folder / "README.md").write_text(card(model, live, config, trials[0], records, summary or {}, checks))
    except BaseException:
        shutil.rmtree(folder)
        raise
    return differences


def _check_asked(model: Model, folder: Path, format: str, length: str | None) -> None:
    """Refuse another axis, another format, and a folder that holds something."""
    if length is not None and length not in model.grid.names:
        raise ValueError(f"length={length}: there is no axis {length!r}; {nearest(length, model.grid.names)}")
    if format not in FORMATS:
        raise ValueError(f"format={format!r}: expected {', '.join(FORMATS)}")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something already: give another folder, or delete it")


def _exported(
    model: Model, live: Part, format: str, length: str | None, preprocess: bool
) -> tuple[Exported, Records, Sequence[Mapping[str, Tensor]]]:
    """What is written, how files become what it takes, and inputs of two sizes to try it with."""
    records = preprocessings(model, live)
    if preprocess:
        pixels = from_pixels(live, records, format, length)
        records, inputs = {"": pixels.how}, pixels.examples(3, 40, 50)
        return Exported(pixels, inputs, free_sizes(inputs), metadata(records)), records, pixels.trials()
    longer, free = (None, None) if length is None else longer_grid(model, length)
    inputs = examples(live, 3)
    exported = Exported(live, inputs, free_dimensions(model, inputs, free), metadata(records))
    return exported, records, [examples(live, batch, grid, seed=batch) for batch, grid in ((2, None), (5, longer))]


def _checks(
    model: Model, exported: Exported, differences: Mapping[str, float], trials: Sequence[Mapping[str, Tensor]]
) -> list[str]:
    """What was found when the written model was tried, in words."""
    worst = max(differences.values())
    found = [f"largest difference to the live model {worst:.1e} of its largest number ({', '.join(differences)} tried)"]
    if isinstance(exported.part, FromPixels):
        assert model.codec is not None
        least = floor(nearness(exported.part, model.codec, trials) * 1e5) / 1e5
        found.append(f"cosine of features of such pixels to those of `embed` at least {least:.5f} (centred)")
    return found


def _check_format(live: Part, part: str, format: str, length: str | None) -> None:
    """Refuse what cannot be written so.

    Raises:
        ValueError: a part that has no free length, that writes symbol after symbol, or whose starts have no names.
    """
    if length is not None and (not isinstance(live, Embedder) or format == "safetensors"):
        raise ValueError(f"length={length} is of encoders and teachers in torch_export and onnx: leave it out")
    if _writes(live) and format != "safetensors":
        steps = f"export part=front@latent and, for a step, part=decoder as {format}"
        instead = "take format=safetensors" if isinstance(live, Relation | Translator) else steps
        raise ValueError(f"{part} writes symbol after symbol: {instead}")
    if isinstance(live, Relation) and len(live.sources) > 1 and format == "torch_export":
        raise ValueError(f"{part} starts from {' and '.join(live.sources)}, of which torch knows no names: take onnx")


def _writes(part: Part) -> bool:
    """Whether a part writes symbol after symbol."""
    if not isinstance(part, (Back, Relation, Restorer, Translator)):
        return False
    return part.decoder(getattr(part, "target", CLEAN.name)).causal


def _write_config(model: Model, config: Mapping[str, Any], folder: Path) -> None:
    """The configuration and the codecs, as ``load`` reads them."""
    plain = portable(model.config) | {"export": dict(config)}
    (folder / CONFIG).write_text(yaml.safe_dump(plain, sort_keys=False))
    codecs = {} if model.codec is None else {SAMPLES_CODEC: model.codec.plain()}
    codecs |= {f"columns.{name}": codec.plain() for name, codec in model.columns.items()}
    if codecs:
        (folder / CODECS).write_text(json.dumps(codecs, ensure_ascii=False) + "\n")


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without its loggers and, but for what the graph is built from, without absolute paths.

    >>> portable({"data": {"type": "folder", "root": "/home/me/images", "size": 8}, "logger": {}})
    {'data': {'type': 'folder', 'size': 8}}
    """

    def leads(value: Any) -> bool:
        return isinstance(value, str) and value.startswith(("/", "~", "file:"))

    def without(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: without(value) for key, value in node.items() if not leads(value)}
        return [without(one) for one in node if not leads(one)] if isinstance(node, list) else node

    groups = {key: value for key, value in config.items() if key in GROUPS}
    return without({key: value for key, value in config.items() if key not in ("logger", "trust")}) | groups


def _differences(live: Part | FromPixels, again: Call, trials: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """Of what a part gives and gives again, by the sizes of what it is given."""
    found = {}
    for inputs in trials:
        with torch.no_grad():
            pairs = zip(as_tuple(live(**inputs)), again(inputs), strict=True)
        batch, *size = next(iter(inputs.values())).shape
        found[f"{batch} of {'x'.join(map(str, size))}"] = max(_difference(*pair) for pair in pairs)
    return found


def _difference(wanted: Tensor, found: Tensor) -> float:
    """Largest difference as a share of the largest number; 1 of symbols that differ, or of another shape."""
    wanted, found = wanted.cpu(), found.cpu()
    if wanted.shape != found.shape or not found.isfinite().all():
        return inf
    if not wanted.is_floating_point():
        return float((wanted != found).float().mean())
    return float((wanted - found).abs().max() / wanted.abs().max().clamp(min=1e-6))
