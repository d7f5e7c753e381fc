"""From a few words about the machine to Lightning's trainer options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from ssl_pipeline.training.fsdp import Sharded

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed", "32", "bf16", "16")
"""Of Lightning's names those under which the weights stay in 32 bits; the last three are its short ones."""


@dataclass(frozen=True)
class Hardware:
    """Where and how to run.

    Args:
        accelerator: Lightning's name: auto, cpu, gpu, mps ...
        devices: number of devices, a list of them, or auto.
        num_nodes: machines.
        strategy: Lightning's name: auto, ddp ...; or fsdp: weights in shards over the devices of each machine (FSDP2).
        precision: 32-true, bf16-mixed or 16-mixed, or auto: bf16 where the processor or GPU computes in it, else 32.
        workers: processes that load data, on each device; 0 loads in the training process.
        compile: whether the encoder goes through ``torch.compile``.
        checkpoint_activations: whether the encoder's blocks are computed again in the backward pass, for less memory.

    Raises:
        ValueError: a precision in which weights would not be kept in 32 bits; activations to be computed again by a
            compiled encoder.
    """

    accelerator: str = "auto"
    devices: int | str | list[int] = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str | int = "auto"
    workers: int = 0
    compile: bool = False
    checkpoint_activations: bool = False

    def __post_init__(self) -> None:
        if str(self.precision) not in PRECISIONS:
            raise ValueError(
                f"hardware.precision={self.precision}: expected auto, 32-true, bf16-mixed or 16-mixed, where weights "
                f"are kept in 32 bits"
            )
        if self.compile and self.checkpoint_activations:
            raise ValueError(
                "hardware.compile=true decides itself which activations are computed again: set "
                "hardware.checkpoint_activations=false, or compile=false"
            )

    def options(self, partial_steps: bool = False) -> dict:
        """Arguments of Lightning's ``Trainer``.

        Args:
            partial_steps: a step may leave some parameters out, which DDP has to know.

        Raises:
            ValueError: a GPU is asked for and none is there; shards of what takes turns.
        """
        if self.shards and partial_steps:
            raise ValueError("hardware.strategy=fsdp shards one graph, and several data sets have one each: take ddp")
        if self.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
            raise ValueError(
                f"hardware.accelerator={self.accelerator} needs a CUDA device and none is there: set hardware=cpu"
            )
        return {
            "accelerator": self.accelerator,
            "devices": 1 if self.devices == "auto" and not self.on_gpu else self.devices,
            "num_nodes": self.num_nodes,
            "strategy": self._strategy(partial_steps),
            "precision": self.resolved_precision,
            # A job that is about to end saves and says so by its exit code; whether it starts anew is for its script.
            "plugins": [SLURMEnvironment(auto_requeue=False)] if _by_srun() else [],
        }

    @property
    def shards(self) -> bool:
        """Whether the weights lie in shards."""
        return self.strategy == "fsdp"

    @property
    def scales_loss(self) -> bool:
        """Whether the loss is multiplied before its gradient is taken, so that float16 holds it."""
        return str(self.precision) in ("16", "16-mixed")

    def _strategy(self, partial_steps: bool) -> Any:
        if self.shards:
            return Sharded()
        return self._finding_unused() if partial_steps else self.strategy

    def _finding_unused(self) -> str:
        """DDP that looks for parameters without a gradient, where the strategy is DDP or would become it."""
        single = self.num_nodes == 1 and (
            self.devices in (1, "1") or (self.devices == "auto" and (not self.on_gpu or torch.cuda.device_count() == 1))
        )
        becomes_ddp = self.strategy == "ddp" or (self.strategy == "auto" and not single)
        return "ddp_find_unused_parameters_true" if becomes_ddp else self.strategy

    @property
    def resolved_precision(self) -> str | int:
        """The precision after ``auto``."""
        if self.precision != "auto":
            return self.precision
        if self.on_gpu:
            return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        return "bf16-mixed" if cpu_computes_bf16() else "32-true"

    @property
    def on_gpu(self) -> bool:
        """Whether it is a CUDA device."""
        return self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()


def _by_srun() -> bool:
    """Whether this process is a task of SLURM, and not one that torchrun has started in such a task."""
    return SLURMEnvironment.detect() and not TorchElasticEnvironment.detect()


def cpu_computes_bf16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware."""
    ask = getattr(torch.cpu, "get_capabilities", None)  # since torch 2.10
    found = {} if ask is None else ask()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16") or found.get("bf16"))
