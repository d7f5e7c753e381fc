"""Writing one model of a run into a folder, and the check that it is the same model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from ssl_pipeline.export.model_card import card
from ssl_pipeline.graph.builder import GROUPS
from ssl_pipeline.inference.example_inputs import examples
from ssl_pipeline.inference.load import load
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Back, Embedder, Part, Relation, Restorer, Translator
from ssl_pipeline.inference.weights import WEIGHTS, write_safetensors
from ssl_pipeline.models.encoders import TimmBackbone
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN
from ssl_pipeline.utils.errors import nearest

Call = Callable[[Mapping[str, Tensor]], tuple[Tensor, ...]]
TOLERANCE = 1e-3
"""Largest difference that is borne, as a share of the largest number that should come out."""


def export(
    model: Model,
    part: str,
    folder: Path,
    view: str | None = None,
    format: str = "safetensors",
    length: str | None = None,
    summary: Mapping[str, Any] | None = None,
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

    Returns:
        Largest difference between what the written and the live model give, as a share of its largest number, for
        each trial.

    Raises:
        ValueError: what ``part`` refuses; another format; a model that cannot be written so, or differs when read.
        FileExistsError: the folder holds something.
        ModuleNotFoundError: onnx, onnxscript and onnxruntime are needed and not installed.
    """
    if length is not None and length not in model.grid.names:
        raise ValueError(f"length={length}: there is no axis {length!r}; {nearest(length, model.grid.names)}")
    if format not in FORMATS:
        raise ValueError(f"format={format!r}: expected {', '.join(FORMATS)}")
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something already: give another folder, or delete it")
    live = model.part(part, view)
    _check_format(live, part, format, length)
    longer, unit = (None, None) if length is None else _longer(model, length)
    trials = [examples(live, batch, grid, seed=batch) for batch, grid in ((2, None), (5, longer))]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        ends = {"inputs": list(live.inputs), "outputs": list(live.outputs)}
        config = {"part": part, "view": view, "data": model.data, "format": format, "length": length, **ends}
        (folder / "config.yaml").write_text(
            yaml.safe_dump(portable(model.config) | {"export": config}, sort_keys=False)
        )
        codecs = {} if model.codec is None else {"": model.codec.plain()}
        codecs |= {f"columns.{name}": codec.plain() for name, codec in model.columns.items()}
        if codecs:
            (folder / "codecs.json").write_text(json.dumps(codecs, ensure_ascii=False) + "\n")
        again = FORMATS[format](model, live, folder, None if length is None or unit is None else (length, unit))
        differences = {}
        for inputs in trials:
            with torch.no_grad():
                wanted, found = _tuple(live(**inputs)), again(inputs)
            batch, *size = next(iter(inputs.values())).shape
            differences[f"{batch} of {'x'.join(map(str, size))}"] = max(
                _difference(*pair) for pair in zip(wanted, found, strict=True)
            )
        if not (worst := max(differences.values())) <= TOLERANCE:
            raise ValueError(
                f"{part} as {format} gives other numbers than the live model (difference {worst:.2g} of the largest, "
                f"expected at most {TOLERANCE:g}), so it is not kept: take another format"
            )
        (folder / "README.md").write_text(card(model, live, config, trials[0], summary or {}, differences))
    except BaseException:
        shutil.rmtree(folder)
        raise
    return differences


def _check_format(live: Part, part: str, format: str, length: str | None) -> None:
    """Refuse what cannot be written in a format."""
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


def _safetensors(model: Model, live: Part, folder: Path, length: tuple[str, int] | None) -> Call:
    write_safetensors(live.state_dict(), folder / WEIGHTS)
    if isinstance(live, Embedder) and isinstance(live.encoder, TimmBackbone) and not live.teacher:
        write_safetensors(live.encoder.model.state_dict(), folder / "timm.safetensors")
    again = load(folder, trust=model.trust).to(model.device).part()
    return lambda inputs: _tuple(again(**inputs))


def _torch_export(model: Model, live: Part, folder: Path, length: tuple[str, int] | None) -> Call:
    inputs = examples(live, 3)
    program = torch.export.export(live, (), dict(inputs), dynamic_shapes=_free(model, inputs, length))
    torch.export.save(program, folder / "model.pt2")
    again = torch.export.load(folder / "model.pt2").module()
    return lambda inputs: _tuple(again(**inputs))


def _onnx(model: Model, live: Part, folder: Path, length: tuple[str, int] | None) -> Call:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"format=onnx needs {error.name}: pip install 'ssl_pipeline[onnx]'") from None
    inputs, file = examples(live, 3), folder / "model.onnx"
    torch.onnx.export(
        deepcopy(live).cpu(),
        (),
        str(file),
        kwargs={name: value.cpu() for name, value in inputs.items()},
        input_names=list(live.inputs),
        output_names=[f"{name}_out" if name in live.inputs else name for name in live.outputs],
        dynamic_shapes=_free(model, inputs, length),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def again(inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        found = session.run(None, {name: value.cpu().numpy() for name, value in inputs.items()})
        return tuple(torch.as_tensor(one) for one in found)

    return again


FORMATS: dict[str, Callable[[Model, Part, Path, tuple[str, int] | None], Call]] = {
    "safetensors": _safetensors,
    "torch_export": _torch_export,
    "onnx": _onnx,
}


def _free(model: Model, inputs: Mapping[str, Tensor], length: tuple[str, int] | None) -> dict[str, dict[int, Any]]:
    """The dimensions of each input that are not fixed."""
    batch, grid = torch.export.Dim("batch"), model.grid
    free: dict[str, dict[int, Any]] = {name: {0: batch} for name in inputs}
    if length is not None:
        axis, unit = length
        size = torch.export.Dim("length", min=2)
        for name in inputs:
            dim = grid.dim(axis) - (name in ("mask", "valid") and not grid.discrete)
            free[name][dim] = size if unit == 1 else unit * size
    return free


def _longer(model: Model, axis: str) -> tuple[GridSpec, int]:
    """A grid that is longer along an axis, and what its length is a multiple of.

    Raises:
        ValueError: an encoder that takes no other length.
    """
    grid, encoder = model.grid, model.graph.encoder
    if not encoder.any_length:
        raise ValueError(
            f"length={axis}: {type(encoder).__name__} is exported for samples of one size only: leave out length, or "
            f"train with encoder=vit"
        )
    index = grid.names.index(axis)

    def resized(size: int) -> GridSpec:
        axes = list(grid.axes)
        axes[index] = axes[index]._replace(size=size)
        return replace(grid, axes=tuple(axes))

    size = grid.shape[index]
    for unit in range(1, size + 1):
        try:
            encoder.shape_of(resized(size + unit).shape)
            encoder.shape_of(resized(2 * unit).shape)
        except ValueError:
            continue
        return resized(size + 2 * unit), unit
    raise ValueError(f"{type(encoder).__name__} takes no samples of another length along {axis}: leave out length")


def _tuple(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (found,) if isinstance(found, Tensor) else tuple(found)


def _difference(wanted: Tensor, found: Tensor) -> float:
    """Largest difference as a share of the largest number; 1 of symbols that differ, or of another shape."""
    wanted, found = wanted.cpu(), found.cpu()
    if wanted.shape != found.shape or not found.isfinite().all():
        return inf
    if not wanted.is_floating_point():
        return float((wanted != found).float().mean())
    return float((wanted - found).abs().max() / wanted.abs().max().clamp(min=1e-6))
