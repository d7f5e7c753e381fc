"""A run's folder: what lies where in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from ssl_pipeline.build import grid_to_plain
from ssl_pipeline.datasets import Data


@dataclass(frozen=True)
class Folder:
    """Where a run writes.

    Args:
        path: absolute.
    """

    path: Path

    @property
    def relative(self) -> str:
        """As it is typed here."""
        return os.path.relpath(self.path)

    @property
    def checkpoint(self) -> Path:
        """The last one."""
        return self.path / "checkpoints" / "last.ckpt"

    def done(self, resume: bool) -> int:
        """Steps that earlier sittings have done; a new run has none.

        Raises:
            FileNotFoundError: there is no checkpoint to resume.
            FileExistsError: a new run in the folder of an old one.
        """
        if not resume and self.checkpoint.exists():
            raise FileExistsError(
                f"{self.path} holds a run already: go on with resume={self.path}, or take another folder"
            )
        if not resume:
            return 0
        if not self.checkpoint.is_file():
            raise FileNotFoundError(f"there is nothing to resume: no checkpoint {self.checkpoint}")
        return int(torch.load(self.checkpoint, map_location="cpu", weights_only=True, mmap=True)["global_step"])

    def write_config(self, config: Mapping[str, Any], sets: Mapping[str, Data]) -> None:
        """Everything that ``load`` needs besides the weights."""

        def plain(data: Data) -> dict[str, Any]:
            return {"grid": grid_to_plain(data.grid), "classes": data.classes and list(data.classes)}

        about = plain(sets[""]) if "" in sets else {"sets": {name: plain(data) for name, data in sets.items()}}
        (self.path / "config.yaml").write_text(yaml.safe_dump({**config, **about}, sort_keys=False))
        codecs = {name: data.codec.plain() for name, data in sets.items() if data.codec is not None}
        if codecs:
            (self.path / "codecs.json").write_text(json.dumps(codecs, ensure_ascii=False) + "\n")

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """The numbers of the run."""
        (self.path / "summary.json").write_text(json.dumps(summary, indent=2, allow_nan=False) + "\n")
