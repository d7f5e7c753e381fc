"""What a configuration asks for, checked before data is read, and where the run ends."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from math import inf
from typing import Any, NamedTuple

import lightning as L
from torch import nn

from ssl_pipeline.config.build import build_part, build_parts, construct
from ssl_pipeline.config.options import check_names, check_values
from ssl_pipeline.config.plugins import import_plugins
from ssl_pipeline.config.registry import Entry
from ssl_pipeline.data import DataSets, EpochOrder, Stream
from ssl_pipeline.evaluation import P1
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.models.encoders import trained_before
from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.optim.rules import make_recipe
from ssl_pipeline.training.callbacks.base import GraphCallback
from ssl_pipeline.training.callbacks.clock import Clock, seconds_of
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.loggers import Tracker
from ssl_pipeline.training.probe_time import check_budget
from ssl_pipeline.training.samplers import Sampler

_HARDWARE = Entry("hardware", "hardware", Hardware)


class RunPlan(NamedTuple):
    """A configuration made into objects, all of its names and options checked, before data is read."""

    factory: GraphFactory
    recipe: Recipe
    callbacks: tuple[GraphCallback, ...]
    sampler: Sampler | None
    hardware: Hardware
    protocol: P1 | None
    tracker: Tracker | None
    bounds: dict[str, Any]
    clock: Clock


def plan_run(config: Mapping[str, Any], encoder: nn.Module | None = None) -> RunPlan:
    """Check and make all that needs no data.

    Raises:
        ValueError: a name, option or number that cannot be.
    """
    import_plugins()
    trust = tuple(config["trust"])
    if (members := config["members_per_source"]) > (size := config["batch_size"]):
        raise ValueError(
            f"members_per_source={members}: they stand together in a batch, so expected at most batch_size={size}"
        )
    own = trained_before(encoder) if encoder is not None and config["resume"] else encoder
    factory = GraphFactory(config, trust=trust, encoder=own)
    bounds, clock = _bounds(config["trainer"])
    check_budget(config["probe"].get("budget"))
    protocol = build_part("protocol", config["probe"]["protocol"], at="probe.protocol", trust=trust)
    recipe = make_recipe(config["optimizer"], trust=trust)
    recipe.check(factory.parts["encoder"])
    tracker = build_part("logger", config["logger"], at="logger", trust=trust)
    if config["report"]["map"] == "umap" and find_spec("umap") is None:
        raise ModuleNotFoundError("report.map=umap needs umap-learn: pip install umap-learn, or take report.map=pca")
    hardware: Hardware = construct(_HARDWARE, config["hardware"], at="hardware")
    if hardware.shards and bounds.get("sync_batchnorm"):
        raise ValueError("trainer.sync_batchnorm=true has no effect on weights in shards: take hardware=ddp, or false")
    callbacks, sampler = _callbacks(config, hardware, trust), _sampler(config, hardware, trust)
    return RunPlan(factory, recipe, callbacks, sampler, hardware, protocol, tracker, bounds, clock)


def _bounds(asked: Mapping[str, Any]) -> tuple[dict[str, Any], Clock]:
    """Lightning's options, and the clock that takes the bound on time out of them."""
    bounds = dict(asked)
    check_names("trainer", L.Trainer, bounds, complete=False)
    for key in (*Hardware.__dataclass_fields__, "callbacks", "default_root_dir", "logger", "profiler"):
        if key in bounds:
            raise ValueError(f"trainer.{key} is not set here: take hardware.* for the machine")
    parts = bounds.setdefault("accumulate_grad_batches", 1)
    if not isinstance(parts, int) or parts < 1:
        raise ValueError(
            f"trainer.accumulate_grad_batches={parts}: expected the number of micro-batches in which a step goes "
            f"through its batch, 1 or more"
        )
    bounds["max_steps"] = -1 if bounds["max_steps"] is None else bounds["max_steps"]
    for key in ("max_steps", "max_epochs"):
        if not isinstance(bounds[key], int | None) or (bounds[key] or 0) < -1:
            raise ValueError(f"trainer.{key}={bounds[key]}: expected a whole number, or null for none")
    check_values("trainer", seconds_of, {"max_time": bounds["max_time"]})  # which may be seconds here
    clock = Clock(seconds_of(bounds.pop("max_time")))
    check_values("trainer", L.Trainer, bounds)
    return bounds, clock


def _callbacks(config: Mapping[str, Any], hardware: Hardware, trust: tuple[str, ...]) -> tuple[GraphCallback, ...]:
    callbacks: dict[str, GraphCallback] = build_parts("callback", config.get("callback"), at="callback", trust=trust)
    for name, callback in callbacks.items():
        if hardware.scales_loss and not callback.loss_scale:
            raise ValueError(
                f"callback={name} gives gradients a length of its own, which the loss scaler of hardware.precision="
                f"{hardware.precision} would divide by its factor: take bf16-mixed or 32-true"
            )
        if hardware.shards and not callback.shards:
            raise ValueError(f"callback={name} needs whole weights, and hardware.strategy=fsdp has shards: take ddp")
        if hardware.compile and not callback.compiles:
            raise ValueError(f"callback={name} cannot be compiled: set hardware.compile=false")
        if hardware.checkpoint_activations and not callback.compiles:
            raise ValueError(f"callback={name} computes layers once: set hardware.checkpoint_activations=false")
    return tuple(callbacks.values())


def _sampler(config: Mapping[str, Any], hardware: Hardware, trust: tuple[str, ...]) -> Sampler | None:
    sampler: Sampler | None = build_part("sampler", config.get("sampler"), at="sampler", trust=trust)
    if sampler is None:
        return None
    if config["members_per_source"] > 1:
        raise ValueError(
            f"a sampler draws samples one by one, and members_per_source={config['members_per_source']} keeps some "
            f"together: set it to 1, or sampler=none"
        )
    if hardware.shards and not sampler.shards:
        raise ValueError("this sampler needs whole weights, and hardware.strategy=fsdp has shards: take hardware=ddp")
    return sampler


def bound_epochs(plan: RunPlan, data: DataSets) -> RunPlan:
    """The plan with Lightning's bound on epochs of this data, -1 for none.

    Args:
        plan: the clock and the bounds that were asked for.
        data: has epochs, or is a stream.

    Raises:
        ValueError: the run would have no end; a sampler for what has no order.
    """
    epochs = plan.bounds["max_epochs"]
    others = plan.bounds["max_steps"] > 0 or plan.clock.max_time is not None
    stream = isinstance(data.train, Stream)
    if stream and plan.sampler is not None:
        raise ValueError(
            "a sampler orders one set of known length, and got a stream or several sets: set sampler=none, or take one "
            "set (data.streaming=false where it is streamed)"
        )
    if stream and not others:
        raise ValueError("a stream has no epochs to count: bound the run by trainer.max_steps or trainer.max_time")
    if epochs in (None, -1) and not others:
        raise ValueError("the run has no bound: set trainer.max_epochs, trainer.max_steps or trainer.max_time")
    return plan._replace(bounds=plan.bounds | {"max_epochs": -1 if epochs is None or stream else epochs})


def last_step(plan: RunPlan, data: DataSets, config: Mapping[str, Any]) -> float:
    """The step at which a plan of ``bound_epochs`` ends; inf where time alone ends it."""
    epochs, steps = plan.bounds["max_epochs"], plan.bounds["max_steps"]
    last, samples = steps if steps >= 0 else inf, samples_of_epoch(data, config)
    if samples is None or epochs < 0:
        return last
    return min(last, epochs * max(1, samples // config["batch_size"]) - plan.clock.ahead)


def samples_of_epoch(data: DataSets, config: Mapping[str, Any]) -> int | None:
    """How many samples an epoch has, before its last batch is dropped; None of a stream."""
    if isinstance(data.train, Stream):
        return None
    return len(EpochOrder(data.train.sources, config["seed"], config["members_per_source"]))
