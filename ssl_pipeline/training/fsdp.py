"""Weights, gradients and optimiser states in shards, one on each device (FSDP2, arXiv 2304.11277)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.fx import GraphModule
from torch.optim import Optimizer

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.inference.weights import PREFIX
from ssl_pipeline.objectives.perceptual import Perceptual

_SMALLEST = 100_000
"""Weights of a block that is worth a message of its own; smaller ones travel with what surrounds them."""


def shard(graph: Graph, mesh: DeviceMesh, smallest: int = _SMALLEST) -> None:
    """Leave a shard of a graph on each device; a block's weights are whole only while it computes.

    Gradients are averaged over all devices, as DDP does, so that losses need know nothing of it.

    Args:
        graph: as it is on every device; changed in place.
        mesh: of two axes: the weights lie whole on each index of the first, in shards over the second.
        smallest: weights of a block.

    Raises:
        ValueError: the graph takes gradients within a step, or through weights that stand still.
    """
    if graph.latent.fuse is not None and graph.latent.fuse.relaxes:
        raise ValueError(
            "latent.fuse=relaxed takes gradients within a step, when weights in shards are not whole: "
            "take hardware=ddp, or latent.fuse=mean"
        )
    for name, term in graph.objective.named():
        if isinstance(term, Perceptual):
            raise ValueError(
                f"objective.{name} looks through weights that stand still, which a shard cannot: take hardware=ddp"
            )
    within = mesh if mesh.size(0) > 1 else mesh[mesh.mesh_dim_names[1]]  # pyright: ignore
    for block in blocks_of(graph, smallest):
        fully_shard(block, mesh=within)
    fully_shard(graph, mesh=within)
    register_fsdp_forward_method(graph, "encode")


def is_sharded(graph: nn.Module) -> bool:
    """Whether a graph's weights lie in shards."""
    return isinstance(graph, FSDPModule)


def blocks_of(model: nn.Module, smallest: int = _SMALLEST) -> list[nn.Module]:
    """Parts that are called one after another, the innermost first: elements of lists, with so many weights at least.

    Args:
        model: whose parts they are.
        smallest: weights of a block that are not those of a block within it. A single layer is none.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(400, 400), nn.ReLU()), nn.Linear(400, 400))
    >>> [list(block) for block in blocks_of(net)]
    [[Linear(in_features=400, out_features=400, bias=True), ReLU()]]
    """
    found: list[nn.Module] = []
    _collect(model, smallest, found, set())
    return found


def _collect(module: nn.Module, smallest: int, found: list[nn.Module], seen: set[nn.Module]) -> int:
    """Append a module's blocks; returns how many of its weights, that were not seen before, are in none of them."""
    if module in seen:  # such as the trunk that the encoders of columns share
        return 0
    seen.add(module)
    left = sum(p.numel() for p in module.parameters(recurse=False))
    listed = isinstance(module, nn.ModuleList | nn.Sequential)
    for child in module.children():
        if isinstance(child, GraphModule):  # traced: it calls the layers and not what holds them
            left += sum(p.numel() for p in child.parameters())
            continue
        own = _collect(child, smallest, found, seen)
        if listed and own >= smallest and [*child.children()] and not isinstance(child, nn.ModuleList):
            found.append(child)
            own = 0
        left += own
    return left


class Sharded(ModelParallelStrategy):
    """One axis of machines and one of the devices in each; its checkpoints are those of every other strategy.

    Rank 0 gathers them whole, in one file.
    """

    def __init__(self) -> None:
        super().__init__(save_distributed_checkpoint=False)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """As the optimiser of whole weights would give it, which numbers them as they stand in its groups."""
        assert self.model is not None
        optimizer = getattr(optimizer, "optimizer", optimizer)
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state: dict[str, Any] = get_optimizer_state_dict(self.model, optimizer, options=options)
        if not state:
            return {}
        numbers = {name: number for number, name in enumerate(self._names(optimizer))}
        groups = [group | {"params": [numbers[name] for name in group["params"]]} for group in state["param_groups"]]
        return {"state": {numbers[name]: value for name, value in state["state"].items()}, "param_groups": groups}

    def load_checkpoint(self, checkpoint_path: str | Path, weights_only: bool | None = None) -> dict[str, Any]:
        """Each rank takes its shards of the whole."""
        assert self.model is not None
        found = torch.load(checkpoint_path, map_location="cpu", weights_only=True, mmap=True)
        set_weights(self.model, found.pop("state_dict"))
        options = StateDictOptions(full_state_dict=True)
        for optimizer, state in zip(self.optimizers, found.pop("optimizer_states"), strict=True):
            names = [*self._names(optimizer)]
            groups = [group | {"params": [names[i] for i in group["params"]]} for group in state["param_groups"]]
            named = {"state": {names[i]: value for i, value in state["state"].items()}, "param_groups": groups}
            set_optimizer_state_dict(self.model, optimizer, named, options=options)
        return found

    def _names(self, optimizer: Optimizer) -> Iterator[str]:
        assert self.model is not None
        names = {parameter: name for name, parameter in self.model.named_parameters()}
        return (names[parameter] for group in optimizer.param_groups for parameter in group["params"])


def set_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Set the shards of whole weights; those of a part that stands in several places go to one of them.

    Raises:
        ValueError: weights too few or too many.
    """
    if wrong := sorted(model.state_dict().keys() ^ weights.keys()):  # torch would keep what is there
        raise ValueError(f"the checkpoint has other weights than this graph, such as {wrong[0]}: resume its own run")
    again = dict(model.named_parameters(remove_duplicate=False)).keys() - dict(model.named_parameters()).keys()
    options = StateDictOptions(full_state_dict=True, strict=False)
    set_model_state_dict(model, {k: v for k, v in weights.items() if k not in again}, options=options)


class UnshardedCopy:
    """The graphs as they can be looked at between steps: themselves, or on the first rank a whole copy of shards.

    Args:
        module: a ``PretrainModule``.
        copy: made like its graphs, to take their weights; None where these are not sharded, and on the further ranks.
    """

    def __init__(self, module: L.LightningModule, copy: GraphSet | None) -> None:
        self.module, self.copy = module, copy

    @property
    def graphs(self) -> GraphSet:
        """What can be looked at."""
        return self.module.graphs if self.copy is None else self.copy  # pyright: ignore[reportReturnType]

    def take(self, trainer: L.Trainer) -> None:
        """Take the weights as they are; to be called on all ranks."""
        if not is_sharded(self.module.graph):  # pyright: ignore[reportArgumentType]
            return
        weights = trainer.strategy.lightning_module_state_dict()
        if self.copy is not None:
            self.copy.module.load_state_dict({key.removeprefix(PREFIX): value for key, value in weights.items()})
            self.copy.module.to(trainer.strategy.root_device)

    @contextmanager
    def taken(self, trainer: L.Trainer) -> Iterator[None]:
        """The weights as they are, for a while on the device; to be called on all ranks."""
        self.take(trainer)
        try:
            yield
        finally:
            if self.copy is not None:
                self.copy.module.cpu()
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
