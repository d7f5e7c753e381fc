"""Export one model of a run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import folder_of, open_model
from ssl_pipeline.utils.places import writable
from ssl_pipeline.utils.signatures import checked

if TYPE_CHECKING:
    from ssl_pipeline.inference.model import Model


@checked
def export(
    run: str | Path | Run | Model,
    part: str = "encoder",
    view: str | None = None,
    format: str = "safetensors",
    out: str | Path | None = None,
    length: str | None = None,
    preprocess: bool = False,
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> Path:
    """Write one model of a run into a folder of its own, checked against the live model.

    Args:
        run: the run's folder; in Python also a Run or a Model.
        part: encoder, teacher, decoder, restorer:VIEW, translator:VIEW-VIEW, edge:NAME, front@CUT or back@CUT.
        view: the corruption of the samples, for an encoder or for halves; none by default.
        format: safetensors, torch_export or onnx.
        out: folder; by default in the run's own. Its README.md says how the model is used, and how far it is from the
            live one.
        length: name of an axis along which samples of an encoder may have other sizes, too.
        preprocess: the model takes uint8 pixels (B, H, W, C) of any size and resizes, crops and scales them itself; of
            encoders of images, as torch_export or onnx.
        set: name of the data set, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    from ssl_pipeline.exporting import export_part

    home = folder_of(run)
    if out is None and home is None:
        raise ValueError("expected out=..., for a model in memory has no folder of its own")
    name = re.sub(r"\W+", "_", f"{part}_{view}" if view else part)
    folder = writable(Path(out) if out is not None else Path(str(home)) / "exports" / f"{name}_{format}")
    model = open_model(run, set, trust, "cpu" if home is not None else "auto")
    export_part(model, part, folder, view, format, length, _summary(home, set), preprocess)
    return folder


def _summary(home: Path | None, set: str | None) -> dict[str, Any]:
    """What the run measured, for the card."""
    file = None if home is None else home / "summary.json"
    measured = json.loads(file.read_text()) if file is not None and file.is_file() else {}
    return measured["sets"][set] if set and "sets" in measured else measured
