"""A short model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssl_pipeline.encoders import TimmBackbone
from ssl_pipeline.inference import Model
from ssl_pipeline.models import Embedder, Part, Translator

SCORES = {"knn": "kNN-20", "linear": "linear probe", "few": "few labels", "retrieval": "source found"}
WHOSE = {"": "this encoder", "_teacher": "its teacher", "_untrained": "untrained encoder", "_raw": "raw input"}
USE = {
    "safetensors": """import ssl_pipeline as sslp

model = sslp.load("FOLDER").part()
{call}""",
    "torch_export": """import torch  # nothing else is needed

model = torch.export.load("FOLDER/model.pt2").module()
{call}""",
    "onnx": """import onnxruntime

model = onnxruntime.InferenceSession("FOLDER/model.onnx")
{outputs} = model.run(None, {{{arrays}}})""",
}


def card(
    model: Model, part: Part, export: Mapping[str, Any], summary: Mapping[str, Any], differences: Mapping[str, float]
) -> str:
    """Markdown: what it is, what goes in and comes out, how to use it, what was measured."""
    config, grid = model.config, model.grid
    floats = f"floats in {list(grid.range)}{' or uint8' * (export['format'] == 'safetensors')}"
    kind = f"symbols below {grid.vocab}" if grid.discrete else floats
    shape = " x ".join(f"{axis.size} ({axis.name})" for axis in grid.axes)
    told = f"; `told` holds {', '.join(part.told)}" if isinstance(part, Translator) and part.told else ""
    seen = f", for samples of view `{export['view']}`" if export["view"] else ""
    call = f"{', '.join(export['outputs'])} = model({', '.join(f'{name}={name}' for name in export['inputs'])})"
    use = USE[export["format"]].format(
        call=call,
        outputs=", ".join(export["outputs"]),
        arrays=", ".join(f'"{name}": {name}' for name in export["inputs"]),
    )
    lines = [
        f"# {export['part']} of {config['name']}",
        "",
        f"One model of a graph that was trained without labels on {config['data'].get('_target_', 'several data sets')}"
        f" with `corruption={'+'.join(config['corruption'])}`, `objective={'+'.join(config['objective'])}`{seen}.",
        "",
        f"- Samples: {grid.width if not grid.discrete else 'symbols'} on a grid of {shape}; {kind}. "
        f"The run's own normalisation is inside.",
        f"- In: {', '.join(f'`{name}`' for name in export['inputs'])}{told}. "
        f"Out: {', '.join(f'`{name}`' for name in export['outputs'])}. The number of samples in a batch is free"
        f"{', and so is their length along ' + export['length'] if export['length'] else ''}.",
        f"- Checked when it was written: largest difference to the live model "
        f"{max(differences.values()):.1e} of its largest number ({', '.join(differences)} tried).",
        "",
        "```python",
        use,
        "```",
    ]
    lines += _timm(model, part) if export["format"] == "safetensors" else []
    lines += _scores(summary)
    return "\n".join(lines) + "\n"


def _timm(model: Model, part: Part) -> list[str]:
    """How timm loads the backbone by itself."""
    encoder = model.graph.encoder
    if not isinstance(encoder, TimmBackbone) or not isinstance(part, Embedder) or part.teacher:
        return []
    standardise = model.graph.standardise
    shift = encoder.view.forward(part.source.name, 1).detach().flatten()
    std = standardise.std.flatten()
    mean = standardise.mean.flatten() - shift * std
    given = model.config["encoder"].get("options") or {}
    options = "".join(f", {key}={value!r}" for key, value in given.items())
    return [
        "",
        f"timm loads it by itself; images are then standardised with mean {_numbers(mean)} and std {_numbers(std)}:",
        "",
        "```python",
        f'timm.create_model("{encoder.name}", in_chans={model.grid.channels}, num_classes=0{options}, '
        f'checkpoint_path="FOLDER/timm.safetensors")',
        "```",
    ]


def _numbers(values: Any) -> str:
    return "[" + ", ".join(f"{value:.4f}" for value in values.tolist()) + "]"


def _scores(summary: Mapping[str, Any]) -> list[str]:
    """The probes that the run measured."""
    keys = [key for key in SCORES if key in summary]
    lines = []
    if keys:
        lines = ["", f"Measured in the run (protocol {summary.get('protocol', '')}), in percent:", ""]
        lines += [f"| | {' | '.join(SCORES[key] for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
        for suffix, whose in WHOSE.items():
            if any(f"{key}{suffix}" in summary for key in keys):
                cells = (f"{summary[key + suffix]:.1f}" if key + suffix in summary else "" for key in keys)
                lines.append(f"| {whose} | {' | '.join(cells)} |")
    restored = [key for key in summary if key.startswith(("psnr/", "snr/", "accuracy/"))]
    if restored:
        lines += ["", "Restored on test samples: " + ", ".join(f"{key} {summary[key]:.1f}" for key in restored) + "."]
    return lines
