"""The keys that a run has, and their types; what else stands in a configuration is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class CheckpointKeys:
    every_n_steps: int = 500


@dataclass
class DiagnosticsKeys:
    every: int = 100
    samples: int = 128
    layers: bool = True
    on_alarm: str = "warn"


@dataclass
class ReportKeys:
    page: bool = True
    map: str = "pca"
    samples: int = 1000


@dataclass
class ProbeKeys:
    online: int = 0
    baselines: bool = True
    budget: Any = "auto"
    protocol: Any = None


@dataclass
class TrainKeys:
    """Keys of ``train.yaml``. Groups are open here: their classes know their options."""

    data: dict[str, Any] = field(default_factory=dict)
    corruption: dict[str, Any] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)
    latent: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    teacher: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    edge: Any = None
    columns: Any = None
    callback: dict[str, Any] = field(default_factory=dict)
    sampler: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    probe: ProbeKeys = field(default_factory=ProbeKeys)
    logger: dict[str, Any] = field(default_factory=dict)
    trainer: dict[str, Any] = field(default_factory=dict)
    checkpoint: CheckpointKeys = field(default_factory=CheckpointKeys)
    diagnostics: DiagnosticsKeys = field(default_factory=DiagnosticsKeys)
    report: ReportKeys = field(default_factory=ReportKeys)
    name: str = "train"
    seed: int = 0
    batch_size: int = 256
    members_per_source: int = 1
    views_per_step: Any = "all"
    storage: str = "file"
    resume: str | None = None
    init_from: str | None = None
    init_partial: bool = False
    trust: list[str] = field(default_factory=list)
    allow_collapse: bool = False
    debug: bool = False
