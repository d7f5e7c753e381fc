"""A short model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from ssl_pipeline.config.build import part_name
from ssl_pipeline.config.parts import unnumbered
from ssl_pipeline.config.suitable import IN_PYTHON
from ssl_pipeline.data.preprocessing.table import TablePreprocessing
from ssl_pipeline.exporting.preprocessing import Records, section
from ssl_pipeline.exporting.windows_code import windows_section
from ssl_pipeline.inference.learned import grid_of
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import Embedder, Part, Relation, Translator
from ssl_pipeline.models.encoders import ModuleEncoder, TimmBackbone
from ssl_pipeline.report import markdown
from ssl_pipeline.report.probe_table import LABELS, PROBE_TITLES
from ssl_pipeline.structures.grid import GridSpec

USE = {
    "safetensors": """import torch
import ssl_pipeline as sslp

model = sslp.load({load}).part()  # where this folder is the current one{note}
{given}
with torch.no_grad():
    {outputs} = model({named})""",
    "torch_export": """import torch  # nothing else is needed

model = torch.export.load("model.pt2").module()  # where this folder is the current one
{given}
with torch.no_grad():
    {outputs} = model({named})""",
    "onnx": """import numpy as np
import onnxruntime

model = onnxruntime.InferenceSession("model.onnx")  # where this folder is the current one
{given}
[{outputs}] = model.run(None, {{{arrays}}})""",
}
WHAT = {
    "x": "samples",
    "pixels": "of images of one size, whatever that is",
    "mask": "True where a place is masked",
    "valid": "False where there is padding",
    "corruption_params": "parameters of the corruption to come",
    "z": "what the front half gives",
    "tokens": "the latent's, as the front half gives them",
    "symbols": "what is written so far",
    "place": "of the next symbol",
}

LEVEL = "a finer level of the latent, as the front half gives it"
"""Of inputs ``level_NUMBER``."""


def card(
    model: Model,
    part: Part,
    export: Mapping[str, Any],
    inputs: Mapping[str, Tensor],
    records: Records,
    summary: Mapping[str, Any],
    checks: Sequence[str],
) -> str:
    """Markdown: what it is, what goes in and comes out, how to use it, what was measured.

    Args:
        model: of the run.
        part: what is exported.
        export: how, as its configuration says.
        inputs: a batch as the part takes it, for shapes and types.
        records: how files become samples.
        summary: numbers of the run.
        checks: what was found when it was written, in words.
    """
    config, grid = model.config, model.grid
    sources = part.sources if isinstance(part, Relation) else {}
    grids = {f"Samples of {name}": source.grid for name, source in sources.items()} or {"Samples": grid}
    use, loaded = _use(model, export, inputs)
    without = "with what tells labels (sources or columns)" if summary.get("supervised") else "without labels"
    corruption_params = (
        f"; `corruption_params` holds {', '.join(part.corruption_params)}"
        if isinstance(part, Relation | Translator) and part.corruption_params
        else ""
    )
    seen = f", for samples of view `{export['view']}`" if export["view"] else ""
    lines = [
        f"# {export['part']} of {config['name']}",
        "",
        f"One model of a graph that was trained {without} on {_source(config['data'])}"
        f" with `corruption={_typed(config['corruption'])}`, `objective={_typed(config['objective'])}`{seen}.",
        "",
        *(f"- {whose}: {_lies(where, export['format'])}." for whose, where in grids.items()),
        *_leads(model, part, export["format"]),
        "- The run's own normalisation is inside.",
        f"- In: {', '.join(f'`{name}` {_shape(name, some)}' for name, some in inputs.items())}{corruption_params}. "
        f"Out: {', '.join(f'`{name}`' for name in export['outputs'])}. The number of samples in a batch is free"
        f"{', and so is their length along ' + export['length'] if export['length'] else ''}"
        f"{', and so is the size of images' if export['preprocess'] else ''}.",
        f"- Checked when it was written: {'; '.join(checks)}.",
        "",
        "```python",
        use,
        "```",
    ]
    lines += section(records, export["inputs"], export["outputs"], export["format"], loaded)
    lines += windows_section(model, part, export["format"])
    lines += _columns(records, export["format"])
    lines += _timm(model, part) if export["format"] == "safetensors" else []
    lines += _measured(part, export["part"], summary)
    return "\n".join(lines) + "\n"


def _source(data: Mapping[str, Any]) -> str:
    """The data in words."""
    name = part_name(data)
    return f"data passed in Python ({data['description']})" if name == IN_PYTHON else name or "other data"


def _typed(parts: Mapping[str, Any]) -> str:
    """Names of parts as they are typed."""
    return "+".join(unnumbered([*parts]))


def _use(model: Model, export: Mapping[str, Any], inputs: Mapping[str, Tensor]) -> tuple[str, str]:
    """Code that runs the export, and what ``ssl_pipeline.load`` takes there."""
    own = isinstance(model.graph.encoder, ModuleEncoder)
    loaded = '".", encoder=module' if own else '"."'
    use = USE[export["format"]].format(
        load=loaded,
        note=f", and module an object of {model.graph.encoder.of}" if own else "",
        given="\n".join(_given(name, some, export["format"]) for name, some in inputs.items()),
        outputs=", ".join(export["outputs"]),
        named=", ".join(f"{name}={name}" for name in inputs),
        arrays=", ".join(f'"{name}": {name}' for name in inputs),
    )
    return use, loaded


def _leads(model: Model, part: Part, format: str) -> list[str]:
    """What an edge leads to."""
    if not isinstance(part, Relation):
        return []
    return [f"- It leads to {part.target}: {_lies(grid_of(model.graph, part.target), format)}."]


def _lies(grid: GridSpec, format: str) -> str:
    """What samples on a grid are."""
    shape = " x ".join(f"{axis.size} ({axis.name})" for axis in grid.axes)
    floats = f"floats in {list(grid.range)}{' or uint8' * (format == 'safetensors')}"
    kind = f"symbols below {grid.vocab}" if grid.discrete else floats
    return f"{'symbols' if grid.discrete else _channels(grid.width)} on a grid of {shape}; {kind}"


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _shape(name: str, some: Tensor) -> str:
    """Of an input, with the number of samples left open, and the size of images."""
    sizes = ["H", "W", some.shape[3]] if name == "pixels" else some.shape[1:]
    kind = str(some.dtype).removeprefix("torch.")
    return f"({', '.join(['B', *map(str, sizes)])}) {kind}"


def _given(name: str, some: Tensor, format: str) -> str:
    """A line of Python that makes such an input."""
    library, kind = "np" if format == "onnx" else "torch", str(some.dtype).removeprefix("torch.")
    kind = "bool_" if (library, kind) == ("np", "bool") else kind  # the name that every numpy knows
    fill = "ones" if name.endswith(("valid", "corruption_params")) else "zeros"
    start, _, last = name.rpartition("_")  # of an edge from several parts of a sample
    what = LEVEL if start == "level" else WHAT[name] if name in WHAT else f"{start}: {WHAT[last]}"
    return f"{name} = {library}.{fill}({tuple(some.shape)}, dtype={library}.{kind})  # {what}"


def _columns(records: Records, format: str) -> list[str]:
    """The scales of a table's columns."""
    record = records.get("")
    if not isinstance(record, TablePreprocessing):
        return []
    own = ["", "`model.embed` and the like of `sslp.load` do so with rows (B, F)."] * (format == "safetensors")
    scales = zip(record.columns, map(repr, record.mean), map(repr, record.std), strict=True)
    rows = (markdown.row(*scale) for scale in scales)
    return [*own, "", markdown.table_head("column", "mean", "standard deviation"), *rows]


def _timm(model: Model, part: Part) -> list[str]:
    """How timm loads the backbone by itself."""
    if not isinstance(part, Embedder) or not isinstance(part.encoder, TimmBackbone) or part.teacher:
        return []
    encoder, normalize = part.encoder, part.normalize
    assert encoder.view is not None
    shift = encoder.view.forward(part.source.name, 1).detach().flatten()
    std = normalize.std.flatten()
    mean = normalize.mean.flatten() - shift * std
    fitted = {"img_size": model.grid.shape} if hasattr(encoder.model, "set_input_size") else {}
    given = {"in_chans": model.grid.channels, "num_classes": 0} | fitted | encoder.options
    options = ", ".join(f"{key}={value!r}" for key, value in given.items())
    return [
        "",
        f"timm loads it by itself; images are then standardised with mean {_numbers(mean)} and std {_numbers(std)}:",
        "",
        "```python",
        "import timm",
        "",
        f'timm.create_model("{encoder.name}", {options}, checkpoint_path="timm.safetensors")',
        "```",
    ]


def _numbers(values: Any) -> str:
    return "[" + ", ".join(f"{value:.4f}" for value in values.tolist()) + "]"


def _measured(part: Part, name: str, summary: Mapping[str, Any]) -> list[str]:
    """What the run has measured of such a part."""
    if isinstance(part, Embedder):
        return _probes(summary)
    return _related(summary, name.partition(":")[2]) if isinstance(part, Relation) else _restored(summary)


def _related(summary: Mapping[str, Any], edge: str) -> list[str]:
    """How well an edge leads to its target."""
    if f"edge/{edge}" not in summary:
        return []
    right = f", {summary[f'edge_exact/{edge}']:.1f} % all right" if f"edge_exact/{edge}" in summary else ""
    return ["", f"On test samples: loss {summary[f'edge/{edge}']:.3f}{right}."]


def _probes(summary: Mapping[str, Any]) -> list[str]:
    """The probes that the run measured."""
    keys = [key for key in PROBE_TITLES if key in summary]
    lines = []
    if keys:
        lines = ["", f"Measured in the run (protocol {summary.get('protocol', '')}), in percent:", ""]
        lines += [markdown.table_head("", *(PROBE_TITLES[key] for key in keys))]
        for whose, suffix in LABELS:
            if any(f"{key}{suffix}" in summary for key in keys):
                cells = (f"{summary[key + suffix]:.1f}" if key + suffix in summary else "" for key in keys)
                lines.append(markdown.row(whose, *cells))
    return lines


def _restored(summary: Mapping[str, Any]) -> list[str]:
    """What the run's inverse models make of each view."""
    found = ", ".join(
        f"{key} {value:.1f}" for key, value in summary.items() if key.startswith(("psnr/", "snr/", "accuracy/"))
    )
    return ["", f"Restored on test samples: {found}."] if found else []
