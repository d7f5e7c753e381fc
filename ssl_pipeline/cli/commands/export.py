"""Export one model of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ssl_pipeline import export as exporting
from ssl_pipeline.cli.commands.arguments import writable
from ssl_pipeline.inference.load import load


def export(
    run: Path,
    part: str = "encoder",
    view: str | None = None,
    format: str = "safetensors",
    out: Path | None = None,
    length: str | None = None,
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Write one model of a run into a folder of its own, checked against the live model.

    Args:
        run: the run's folder.
        part: encoder, teacher, decoder, restorer:VIEW, translator:VIEW-VIEW, edge:NAME, front@CUT or back@CUT.
        view: the corruption of the samples, for an encoder or for halves; none by default.
        format: safetensors, torch_export or onnx.
        out: folder; by default in the run's own.
        length: name of an axis along which samples of an encoder may have other sizes, too.
        set: name of the data set, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    model = load(run, set, trust=trust)
    name = re.sub(r"\W+", "_", f"{part}_{view}" if view else part)
    folder = writable(out or run / "exports" / f"{name}_{format}")
    summary = run / "summary.json"
    measured = json.loads(summary.read_text()) if summary.is_file() else {}
    measured = measured["sets"][set] if set and "sets" in measured else measured
    differences = exporting.export(model, part, folder, view, format, length, measured)
    for trial, difference in differences.items():
        print(f"{trial}: differs from the live model by {difference:.1e} of its largest number")
    print(f"{part} as {format} in {folder}")
