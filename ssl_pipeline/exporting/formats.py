"""How a part is written in each format, and called again as it was read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from inspect import Parameter, Signature
from pathlib import Path

import torch
from torch import Tensor, nn

from ssl_pipeline.exporting.lengths import FreeLength, free_dimensions
from ssl_pipeline.inference.example_inputs import examples
from ssl_pipeline.inference.load import load
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Embedder, Part
from ssl_pipeline.inference.weights import WEIGHTS, write_safetensors
from ssl_pipeline.models.encoders import TimmBackbone
from ssl_pipeline.utils.extras import require

Call = Callable[[Mapping[str, Tensor]], tuple[Tensor, ...]]
Write = Callable[[Model, Part, Path, FreeLength | None], Call]
"""Writes a part into a folder: what calls it as it lies there."""


def _safetensors(model: Model, live: Part, folder: Path, length: FreeLength | None) -> Call:
    write_safetensors(live.state_dict(), folder / WEIGHTS)
    if isinstance(live, Embedder) and isinstance(live.encoder, TimmBackbone) and not live.teacher:
        write_safetensors(live.encoder.model.state_dict(), folder / "timm.safetensors")
    again = load(folder, trust=model.trust, encoder=model.encoder_object).to(model.device).part()
    return lambda inputs: as_tuple(again(**inputs))


def _torch_export(model: Model, live: Part, folder: Path, length: FreeLength | None) -> Call:
    inputs = examples(live, 3)
    program = torch.export.export(live, (), dict(inputs), dynamic_shapes=free_dimensions(model, inputs, length))
    torch.export.save(program, folder / "model.pt2")
    again = torch.export.load(folder / "model.pt2").module()
    return lambda inputs: as_tuple(again(**inputs))


def _onnx(model: Model, live: Part, folder: Path, length: FreeLength | None) -> Call:
    for package in ("onnxruntime", "onnxscript"):
        require(package, "onnx", "format=onnx")
    import onnxruntime

    inputs, file, part = examples(live, 3), folder / "model.onnx", deepcopy(live).cpu()
    given = {name: value.cpu() for name, value in inputs.items()}
    free = free_dimensions(model, inputs, length)
    torch.onnx.export(
        torch.export.export(_named(part), (), given, dynamic_shapes=free),
        (),
        str(file),
        input_names=list(live.inputs),
        output_names=[f"{name}_out" if name in live.inputs else name for name in live.outputs],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def again(inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        found = session.run(None, {name: value.cpu().numpy() for name, value in inputs.items()})
        return tuple(torch.as_tensor(one) for one in found)

    return again


def _named(part: Part) -> nn.Module:
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
