"""A folder of results: what it was made of lies with them, so that nothing else is taken for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.weights import WEIGHTS
from ssl_pipeline.utils.checkpoints import LAST
from ssl_pipeline.utils.places import writable


def begin_results(out: Path, name: str, made: Mapping[str, Any], results: str) -> None:
    """Make a folder, or find that it holds results of the same making.

    Args:
        out: the folder.
        name: of the note in it.
        made: what results depend on, in plain values.
        results: pattern of their names; where there are none, the folder is free.

    Raises:
        ValueError: it holds results made otherwise, or files that may be of another making, or cannot be made.
    """
    note = out / name
    if not note.is_file() and out.is_dir() and (other := next(out.iterdir(), None)) is not None:
        raise ValueError(f"{out} holds other things, such as {other.name}: take another folder")
    if note.is_file() and any(out.rglob(results)):
        before = json.loads(note.read_text())
        if differ := [key for key in made if made[key] != before.get(key)]:
            raise ValueError(f"{out} holds results made with another {', '.join(differ)}: take another folder")
    writable(out).mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(dict(made)) + "\n")


def maker_of(model: Model, folder: Path | None) -> dict[str, Any]:
    """Which weights make the results: they change where a run goes on.

    Args:
        model: that makes them.
        folder: where it was loaded from; None of a model in memory.
    """
    if folder is not None:
        found = next((file for file in (folder / "checkpoints" / LAST, folder / WEIGHTS) if file.is_file()), folder)
        weights = f"{found.stat().st_size} bytes of {found.stat().st_mtime_ns}"
        return {"run": str(folder.resolve()), "weights": weights}
    digest = hashlib.sha256()
    for tensor in model.graph.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return {"run": None, "weights": f"sha256 {digest.hexdigest()}"}
