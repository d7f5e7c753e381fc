"""What a configuration asks for, checked before data is read, and where the run ends."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from math import inf
from typing import Any, NamedTuple

import lightning as L

from ssl_pipeline.config.instantiate import check, check_kinds, instantiate
from ssl_pipeline.data import Data, EpochOrder, Mixed, Stream
from ssl_pipeline.evaluation import P1
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.lab.curation import Learnability
from ssl_pipeline.lab.dynamics import Dynamics
from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.training.callbacks.clock import Clock, seconds_of
from ssl_pipeline.training.hardware import Hardware
from ssl_pipeline.training.loggers import Tracker


class Plan(NamedTuple):
    """A configuration made into things, all of its names and options checked, before data is read."""

    recipe: Recipe
    dynamics: tuple[Dynamics, ...]
    curation: Learnability | None
    hardware: Hardware
    protocol: P1 | None
    tracker: Tracker | None
    bounds: dict[str, Any]
    clock: Clock


def prepare(config: Mapping[str, Any]) -> Plan:
    """Check and make all that needs no data.

    Raises:
        ValueError: a name, option or number that cannot be.
    """
    trust = tuple(config.get("trust", ()))
    factory = GraphFactory(config, trust=trust)
    bounds = dict(config["trainer"])
    check("trainer", L.Trainer, list(bounds), is_partial=True)
    for key in (*Hardware.__dataclass_fields__, "accumulate_grad_batches", "callbacks", "logger", "profiler"):
        if key in bounds:
            raise ValueError(
                f"trainer.{key} is not set here: take hardware.* for the machine, batch_size for larger steps"
            )
    bounds["max_steps"] = -1 if bounds["max_steps"] is None else bounds["max_steps"]
    for key in ("max_steps", "max_epochs"):
        if not isinstance(bounds[key], int | None):
            raise ValueError(f"trainer.{key}={bounds[key]}: expected a whole number, or null for none")
    check_kinds("trainer", seconds_of, {"max_time": bounds["max_time"]})  # which may be seconds here
    clock = Clock(seconds_of(bounds.pop("max_time")))
    check_kinds("trainer", L.Trainer, bounds)
    protocol = instantiate(config["probe"]["protocol"], at="probe.protocol")
    recipe = instantiate(config["optimizer"], at="optimizer", trust=trust)
    recipe.check(factory.parts["encoder"])
    dynamics: dict[str, Dynamics] = instantiate(
        config.get("dynamics", {}), at="dynamics", trust=trust, allowed=("ssl_pipeline.lab.dynamics",)
    )
    curation: Learnability | None = (
        instantiate(config.get("curation", {}), at="curation", trust=trust, allowed=("ssl_pipeline.lab.curation",))
        or None
    )
    if curation is not None and config["members_per_source"] > 1:
        raise ValueError(
            f"curation draws samples one by one, and members_per_source={config['members_per_source']} keeps some "
            f"together: set it to 1, or curation=none"
        )
    tracker = instantiate(config.get("logger", {}), at="logger", trust=trust) or None
    if config.get("report", {}).get("map") == "umap" and find_spec("umap") is None:
        raise ModuleNotFoundError("report.map=umap needs umap-learn: pip install umap-learn, or take report.map=pca")
    hardware: Hardware = instantiate(config["hardware"], at="hardware")
    if hardware.shards and bounds.get("sync_batchnorm"):
        raise ValueError("trainer.sync_batchnorm=true has no effect on weights in shards: take hardware=ddp, or false")
    if hardware.shards and curation is not None:
        raise ValueError("curation needs whole weights, and hardware.strategy=fsdp has shards: take hardware=ddp")
    for name, one in dynamics.items():
        _can_be_treated(name, one, hardware)
    return Plan(recipe, tuple(dynamics.values()), curation, hardware, protocol, tracker, bounds, clock)


def _can_be_treated(name: str, dynamics: Dynamics, hardware: Hardware) -> None:
    if hardware.scales_loss and not dynamics.loss_scale:
        raise ValueError(
            f"dynamics={name} gives gradients a length of its own, which the loss scaler of hardware.precision="
            f"{hardware.precision} would divide by its factor: take bf16-mixed or 32-true"
        )
    if hardware.shards and not dynamics.shards:
        raise ValueError(f"dynamics={name} needs whole weights, and hardware.strategy=fsdp has shards: take ddp")
    if hardware.compile and not dynamics.compiles:
        raise ValueError(f"dynamics={name} cannot be compiled: set hardware.compile=false")


def bounded(plan: Plan, data: Data | Mixed, config: Mapping[str, Any], done: int) -> Plan:
    """The plan with Lightning's bound on epochs of this data, -1 for none.

    Args:
        plan: the clock and the bounds that were asked for.
        data: has epochs, or is a stream.
        config: of the run.
        done: steps of earlier sittings.

    Raises:
        ValueError: the run would have no end, or is past it.
    """
    epochs, steps = plan.bounds["max_epochs"], plan.bounds["max_steps"]
    others = steps > 0 or plan.clock.max_time is not None
    stream = isinstance(data.train, Stream)
    if stream and plan.curation is not None:
        raise ValueError(
            "curation scores all samples of one set of known length, and got a stream or several sets: set "
            "curation=none, or take one set (data.streaming=false where it is streamed)"
        )
    if stream and not others:
        raise ValueError("a stream has no epochs to count: bound the run by trainer.max_steps or trainer.max_time")
    if epochs in (None, -1) and not others:
        raise ValueError("the run has no bound: set trainer.max_epochs, trainer.max_steps or trainer.max_time")
    epochs = -1 if epochs is None or stream else epochs
    last = steps if steps >= 0 else inf
    if not isinstance(data.train, Stream) and epochs >= 0:
        samples = len(EpochOrder(data.train.sources, config["seed"], config["members_per_source"]))
        last = min(last, epochs * max(1, samples // config["batch_size"]))
    if last <= done:
        raise ValueError(
            f"the run is at step {done} and its bound is step {last}: raise trainer.max_steps or max_epochs"
        )
    return plan._replace(bounds=plan.bounds | {"max_epochs": epochs})
