"""How files become what an exported part takes: in its folder, in its file and in its card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_pipeline.data import Codec
from ssl_pipeline.data.codecs.text import TextCodec
from ssl_pipeline.data.preprocessing.base import ArrayPreprocessing, Preprocessing
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Part, Relation, Source

CONFIG_FILE = "preprocessor_config.json"
METADATA_KEY = "preprocessing"
"""Under which the same stands in a model's file: metadata of safetensors and ONNX, an extra file of torch.export."""
_WHERE = {
    "safetensors": "the metadata of `weights.safetensors`",
    "torch_export": "the extra files of `model.pt2`",
    "onnx": "the `metadata_props` of `model.onnx`",
}
_THROUGH = "and through the model"
"""What stands above the lines that run it; those before need neither torch nor this package."""
_RUN = {
    "safetensors": """import torch
import ssl_pipeline as sslp

part = sslp.load({load}).part()
with torch.no_grad():
    {outputs} = part({tensors})""",
    "torch_export": """import torch

with torch.no_grad():
    {outputs} = torch.export.load("model.pt2").module()({tensors})""",
    "onnx": """import onnxruntime

[{outputs}] = onnxruntime.InferenceSession("model.onnx").run(None, {{{arrays}}})""",
}

Records = Mapping[str, Preprocessing]
"""By the view or column that they read; "" where a part takes samples of one kind alone."""


def preprocessings(model: Model, part: Part) -> Records:
    """What is done to files before a part takes them; nothing of a part that takes no samples."""
    if isinstance(part, Relation):
        several = len(part.sources) > 1
        codecs = {name: model.columns.get(name) if name in model.spec.columns else model.codec for name in part.sources}
        return {name * several: _record(codecs[name], source) for name, source in part.sources.items()}
    source: Source | None = getattr(part, "source", None)
    return {} if source is None else {"": _record(model.codec, source)}


def _record(codec: Codec | None, source: Source) -> Preprocessing:
    """Of the codec, where its samples lie on the grid of the source."""
    fitting = codec.resized(*source.grid.shape) if isinstance(codec, TextCodec) else codec
    if fitting is None or fitting.grid != source.grid:
        return ArrayPreprocessing(source.grid)
    return fitting.preprocessing()


def _plain(records: Records) -> dict[str, Any]:
    """The configurations: one as it is, several by name."""
    configs = {name: record.config() for name, record in records.items()}
    return configs.get("", configs)


def write_config(records: Records, folder: Path) -> None:
    """Write ``preprocessor_config.json``, where there is something to say."""
    if records:
        (folder / CONFIG_FILE).write_text(json.dumps(_plain(records), indent=1) + "\n")


def metadata(records: Records) -> dict[str, str]:
    """The same for the file of a model."""
    return {METADATA_KEY: json.dumps(_plain(records))} if records else {}


def section(records: Records, inputs: Sequence[str], outputs: Sequence[str], format: str, load: str) -> list[str]:
    """Lines of the card: sentences, and code that reads files and, where nothing else is needed, runs the part.

    Args:
        records: of the part.
        inputs: names of what it takes.
        outputs: names of what it gives.
        format: of the export.
        load: arguments of ``sslp.load``.
    """
    lines = []
    for name, record in records.items():
        run = _run(inputs, outputs, format, load) if not name and {*inputs} <= {"x", "valid", "pixels"} else []
        lines += [
            "",
            f"## How files become {f'samples of {name}' if name else 'samples'}",
            "",
            *(f"- {sentence}" for sentence in record.sentences()),
            f"- The same in plain values: `{CONFIG_FILE}`, and as `{METADATA_KEY}` in {_WHERE[format]}.",
            "",
            "```python",
            record.code(),
            *run,
            "```",
        ]
    return lines


def _run(inputs: Sequence[str], outputs: Sequence[str], format: str, load: str) -> list[str]:
    """Code that gives a part what was read."""
    tensors = ", ".join(f"{name}=torch.from_numpy({name})" for name in inputs)
    arrays = ", ".join(f'"{name}": {name}' for name in inputs)
    words = {"load": load, "outputs": ", ".join(outputs), "tensors": tensors, "arrays": arrays}
    return ["", f"# {_THROUGH}", _RUN[format].format(**words)]
