"""How a part is written in each format, and called again as it was read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ssl_pipeline.exporting.from_pixels import FromPixels
from ssl_pipeline.inference.load import load
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Embedder, Part
from ssl_pipeline.inference.weights import WEIGHTS, write_safetensors
from ssl_pipeline.models.encoders import TimmBackbone
from ssl_pipeline.utils.extras import require

Call = Callable[[Mapping[str, Tensor]], tuple[Tensor, ...]]


class Exported(NamedTuple):
    """What is written."""

    part: Part | FromPixels
    inputs: Mapping[str, Tensor]  # a batch that it takes
    free: dict[str, dict[int, Any]]  # the dimensions of each input that are not fixed
    metadata: Mapping[str, str]  # how files become inputs, where they do


Write = Callable[[Model, Exported, Path], Call]
"""Writes a part into a folder: what calls it as it lies there."""


def _safetensors(model: Model, exported: Exported, folder: Path) -> Call:
    part = exported.part
    write_safetensors(part.state_dict(), folder / WEIGHTS, {"format": "pt", **exported.metadata})
    if isinstance(part, Embedder) and isinstance(part.encoder, TimmBackbone) and not part.teacher:
        write_safetensors(part.encoder.model.state_dict(), folder / "timm.safetensors")
    again = load(folder, trust=model.trust, encoder=model.encoder_object).to(model.device).part()
    return lambda inputs: as_tuple(again(**inputs))


def _torch_export(model: Model, exported: Exported, folder: Path) -> Call:
    program = torch.export.export(_named(exported.part), (), dict(exported.inputs), dynamic_shapes=exported.free)
    torch.export.save(program, folder / "model.pt2", extra_files=dict(exported.metadata))
    again = torch.export.load(folder / "model.pt2").module()
    return lambda inputs: as_tuple(again(**inputs))


def _onnx(model: Model, exported: Exported, folder: Path) -> Call:
    for package in ("onnxruntime", "onnxscript"):
        require(package, "onnx", "format=onnx")
    import onnxruntime

    file, part = folder / "model.onnx", deepcopy(exported.part).cpu()
    given = {name: value.cpu() for name, value in exported.inputs.items()}
    program = torch.onnx.export(
        torch.export.export(_named(part), (), given, dynamic_shapes=exported.free),
        (),
        input_names=list(part.inputs),
        output_names=[f"{name}_out" if name in part.inputs else name for name in part.outputs],
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update(exported.metadata)
    program.save(file, external_data=False)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def again(inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        found = session.run(None, {name: value.cpu().numpy() for name, value in inputs.items()})
        return tuple(torch.as_tensor(one) for one in found)

    return again


def _named(part: Part | FromPixels) -> nn.Module:
    """The part with its inputs in its signature, by which torch knows them: an edge takes any."""

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = part

        def forward(self, **known: Tensor) -> Tensor | tuple[Tensor, ...]:
            return self.part(**known)

    places = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", *part.inputs)]
    Named.forward.__signature__ = Signature(places)  # pyright: ignore[reportFunctionMemberAccess]
    return Named()


FORMATS: dict[str, Write] = {
    "safetensors": _safetensors,
    "torch_export": _torch_export,
    "onnx": _onnx,
}


def as_tuple(found: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a part gives, also where that is one tensor."""
    return (found,) if isinstance(found, Tensor) else tuple(found)
