"""A folder of results: what it was made of lies with them, so that nothing else is taken for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssl_pipeline.cli.commands.arguments import writable
from ssl_pipeline.inference.weights import WEIGHTS
from ssl_pipeline.utils.checkpoints import LAST


def begin(out: Path, name: str, made: Mapping[str, Any], results: str) -> None:
    """Make a folder, or find that it holds results of the same making.

    Args:
        out: the folder.
        name: of the note in it.
        made: what results depend on, in plain values.
        results: pattern of their names; where there are none, the folder is free.

    Raises:
        ValueError: it holds results made otherwise, or cannot be made.
    """
    note = out / name
    if note.is_file() and any(out.rglob(results)):
        before = json.loads(note.read_text())
        if differ := [key for key in made if made[key] != before.get(key)]:
            raise ValueError(f"{out} holds results made with another {', '.join(differ)}: take another folder")
    writable(out).mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(dict(made)) + "\n")


def weights_of(run: Path) -> str:
    """Which weights a run's folder, or an exported one, holds: they change where the run goes on."""
    found = next((file for file in (run / "checkpoints" / LAST, run / WEIGHTS) if file.is_file()), run)
    return f"{found.stat().st_size} bytes of {found.stat().st_mtime_ns}"
