"""A run's folder: what lies where in it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from ssl_pipeline.config.saved import CODECS, CONFIG, SAMPLES_CODEC, SUMMARY, read_saved, read_summary
from ssl_pipeline.data import Data, DataSets, LogMel, Pixels, Stream, Waveform
from ssl_pipeline.structures.per_data_set import join_sets
from ssl_pipeline.utils.auto import AUTO
from ssl_pipeline.utils.checkpoints import LAST, checkpoint_error, newest
from ssl_pipeline.utils.places import refuse_links, replace_text

UNFINISHED = {"interrupted": True, "trained": False, "evaluated": False}
"""In the summary of a run from its start to the end of its evaluation."""


class Start(NamedTuple):
    """Where a sitting begins."""

    step: int = 0
    checkpoint: Path | None = None
    seconds: float = 0.0  # of training before it
    batch_size: int | None = None  # of its last steps, where it knows
    ahead: int = 0  # see ``Clock``


@dataclass(frozen=True)
class RunDir:
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
        return self.path / "checkpoints" / LAST

    def start(self, resume: bool) -> Start:
        """Where a sitting begins: after the newest checkpoint that can be read; a new run at step 0.

        Raises:
            FileNotFoundError: there is no checkpoint to resume.
            FileExistsError: a new run in the folder of an old one.
            ValueError: all checkpoints are damaged, or there is a link in the folder.
        """
        if not resume and self.checkpoint.exists():
            raise FileExistsError(
                f"{self.path} holds a run already: go on with resume={self.path}, or take another folder"
            )
        if not resume:
            return Start()
        refuse_links(self.path)
        found = newest(self.checkpoint.parent)
        why = None if found == self.checkpoint else checkpoint_error(self.checkpoint)
        if found is None and self.checkpoint.is_file():
            raise ValueError(f"{self.checkpoint} {why}, and there is none before it: begin a new run")
        if found is None:
            raise FileNotFoundError(f"there is nothing to resume: no checkpoint {self.checkpoint}")
        content = torch.load(found, map_location="cpu", weights_only=True, mmap=True)
        step, clock = int(content["global_step"]), content.get("callbacks", {}).get("Clock", {})
        if why is not None:
            print(f"warning: {self.checkpoint} {why}: going on from {found.name}, step {step}", file=sys.stderr)
        return Start(step, found, clock.get("seconds", 0.0), clock.get("batch_size"), clock.get("ahead", 0))

    def write_config(self, config: Mapping[str, Any], sets: DataSets) -> None:
        """Everything that ``load`` needs besides the weights; whose code is trusted is no business of a file."""
        about = join_sets({name: _about(data) for name, data in sets.items()})
        saved = {key: value for key, value in config.items() if key != "trust"}
        saved["data"] = _as_found(saved["data"], sets)
        replace_text(self.path / CONFIG, yaml.safe_dump(saved | about, sort_keys=False))
        codecs = {sets.prefix(name, "") or SAMPLES_CODEC: data.codec for name, data in sets.items()}
        codecs |= {f"columns.{name}": spec.codec for data in sets.values() for name, spec in data.columns.items()}
        if plain := {name: codec.plain() for name, codec in codecs.items() if codec is not None}:
            replace_text(self.path / CODECS, json.dumps(plain, ensure_ascii=False) + "\n")

    def check_data(self, sets: DataSets) -> None:
        """Refuse to go on with other data than the run began with: the order of the samples would be another.

        Raises:
            ValueError: another number of samples, or another grid.
        """
        saved = read_saved(self.path).config
        for name, data in sets.items():
            had = saved.get("sets", {}).get(name, saved)
            before, now = had.get("samples"), None if isinstance(data.train, Stream) else len(data.train)
            if before is not None and before != now:
                raise ValueError(
                    f"{data.name} has {now:,} training samples, and had {before:,} when this run began: restore the "
                    f"data, or start a new run from its weights with init_from={self.relative}"
                )
            if "spec" in had and had["spec"]["grid"] != data.grid.to_plain():
                raise ValueError(f"{data.name} lies on another grid than when this run began: restore the data")

    @property
    def awaits_evaluation(self) -> bool:
        """Whether the run was interrupted before its evaluation was done."""
        return self.read_summary().get("evaluated") is False

    def read_summary(self) -> dict[str, Any]:
        """See ``config.saved.read_summary``."""
        return read_summary(self.path)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """The numbers of the run."""
        replace_text(self.path / SUMMARY, json.dumps(summary, indent=2, allow_nan=False) + "\n")


def _as_found(options: Mapping[str, Any], sets: DataSets) -> dict[str, Any]:
    """Options of the data with the range that its files were found to have, so that it is not looked for again."""
    if "sets" in options and len(sets) > 1:
        inner = {name: _as_found(some, DataSets.of(sets[name])) for name, some in options["sets"].items()}
        return {**options, "sets": inner}
    found = {**options}
    if isinstance(found.get("of"), Mapping):
        found["of"] = _as_found(found["of"], sets)
    codec = sets.only.codec
    if found.get("range") == AUTO and isinstance(codec, Pixels | Waveform | LogMel):
        found["range"] = codec.range and [*codec.range]
    return found


def _about(data: Data) -> dict[str, Any]:
    """What is saved of a data set besides its codecs, in plain values."""
    return {
        "spec": data.layout.to_plain(),
        "classes": data.classes and list(data.classes),
        "samples": None if isinstance(data.train, Stream) else len(data.train),
    }
