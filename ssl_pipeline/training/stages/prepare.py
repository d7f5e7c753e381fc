"""The first stage: a configuration becomes data, a graph and a plan."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from ssl_pipeline.config.saved import SAMPLES_CODEC, read_saved
from ssl_pipeline.data import Data, DataSets, build_data
from ssl_pipeline.evaluation.baselines import Twin
from ssl_pipeline.graph.builder import GROUPS
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.inference.load import check_scales, read_codec
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training.fsdp import UnshardedCopy
from ssl_pipeline.training.graphs import graph_maker, start_from
from ssl_pipeline.training.micro_batches import steps_alike
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.plan import RunPlan, bound_epochs, last_step, plan_run, samples_of_epoch
from ssl_pipeline.training.run_dir import RunDir, Start
from ssl_pipeline.utils.errors import Finished


@dataclass(frozen=True)
class PreparedRun:
    """What the later stages work with."""

    config: dict[str, Any]
    folder: RunDir
    start: Start
    plan: RunPlan
    data: DataSets
    make: Callable[[], GraphSet]  # the graphs with the weights that the seed gives
    module: PretrainModule
    whole: UnshardedCopy
    trained: bool = False  # the training is over, and its evaluation is not

    @property
    def graphs(self) -> GraphSet:
        """The graph of each data set, with whole weights."""
        return self.whole.graphs

    def untrained(self, name: str) -> Twin | None:
        """The graph of a data set as it was before the training; None where nobody knows how it was."""
        user_module = getattr(self.plan.factory.parts["encoder"], "user_module", None)
        if user_module is not None and not user_module.remembers:
            return None
        about = {key: self.config.get(key) for key in (*GROUPS, "columns", "edge", "views_per_step", "storage", "seed")}
        return Twin(lambda: self.make()[name], about | {"data set": name})

    def load_weights(self) -> None:
        """Take the weights of the last checkpoint, on the device that the hardware asks for."""
        self.graphs.module.load_state_dict(read_weights(self.folder.path))
        self.graphs.module.to("cuda" if self.plan.hardware.on_gpu else "cpu")


def prepare_run(
    config: dict[str, Any], folder: RunDir, data: Data | None = None, encoder: nn.Module | None = None
) -> PreparedRun:
    """Check the configuration, read the data, build the graphs; nothing is written yet.

    Args:
        config: resolved, plain dictionaries.
        folder: of the run.
        data: read already, in place of what the configuration names.
        encoder: an object of Python, where the configuration's encoder is one.

    Raises:
        ValueError: anything in the configuration or the data that cannot work.
        FileExistsError: a new run in the folder of an old one.
        Finished: there is nothing left to do.
    """
    resume = bool(config["resume"])
    plan = plan_run(config, encoder)
    start = folder.start(resume=resume)
    sets = build_data(config["data"], tuple(config["trust"])) if data is None else DataSets.of(data)
    if resume:
        sets = _read_as_in(folder.path, sets, config)
        folder.check_data(sets)
    elif config["init_from"]:
        sets = _read_as_in(Path(config["init_from"]), sets, config)
    plan = bound_epochs(plan, sets)
    plan.clock.batch_size = config["batch_size"]
    plan.clock.ahead = _steps_ahead(start, folder, sets, config)
    trained = _is_trained(plan, start, last_step(plan, sets, config), folder)
    make = graph_maker(plan.factory, sets, config["seed"])
    graphs = make()
    if config["init_from"] and not resume:
        start_from(graphs, Path(config["init_from"]), config["init_partial"])
    module = PretrainModule(graphs, plan.recipe, plan.clock, config["batch_size"], config["seed"], plan.callbacks)
    whole = UnshardedCopy(module, make() if plan.hardware.shards and rank_zero_only.rank == 0 else None)
    return PreparedRun(config, folder, start, plan, sets, make, module, whole, trained)


def _steps_ahead(start: Start, folder: RunDir, sets: DataSets, config: Mapping[str, Any]) -> int:
    """See ``Clock``: of a run that goes on, maybe with another batch size.

    Raises:
        ValueError: another batch size where steps take turns, or samples are chosen step by step.
    """
    if start.checkpoint is None:
        return 0
    before, now = start.batch_size or read_saved(folder.path).config["batch_size"], config["batch_size"]
    if before == now:
        return start.ahead
    if len(sets) > 1 or config.get("sampler"):
        what = "a sampler chooses the samples of each step" if config.get("sampler") else "data sets take turns"
        raise ValueError(f"batch_size={now} was {before}, and {what}: go on with batch_size={before}")
    done = start.step + start.ahead
    return steps_alike(done, before, now, samples_of_epoch(sets, config)) - start.step


def _is_trained(plan: RunPlan, start: Start, last: float, folder: RunDir) -> bool:
    """Whether a run has reached its bound and waits for its evaluation.

    Raises:
        Finished: it has reached its bound, and is evaluated.
        ValueError: its summary is damaged; a new run whose bound is no step.
    """
    if start.checkpoint is None:
        if last <= 0:
            raise ValueError(f"the run would end at step {last}: raise trainer.max_steps or trainer.max_epochs")
        return False
    over, waits = last <= start.step or plan.clock.is_past(start.seconds), folder.awaits_evaluation
    if waits or not over:
        return over
    if last <= start.step:
        at, bound = f"at step {start.step} and its bound is step {last}", "trainer.max_steps or trainer.max_epochs"
    else:
        at, bound = (
            f"trained for {start.seconds:.0f} s and its bound is {plan.clock.max_time:.0f} s",
            "trainer.max_time",
        )
    raise Finished(f"the run is {at}: raise {bound} to go on with it (resume={folder.relative})")


def _read_as_in(folder: Path, sets: DataSets, config: Mapping[str, Any]) -> DataSets:
    """Tables on the scales of the run whose weights are taken; other data as it is.

    Raises:
        ValueError: a table of other columns, where all weights are to be taken.
    """
    found = dict(sets)
    for name, data in sets.items():
        if data.read_with is not None:
            codec = read_codec(folder, sets.prefix(name, "") or SAMPLES_CODEC, tuple(config["trust"]))
            if config["resume"]:
                check_scales(folder, data.grid, codec)
            try:
                found[name] = data.with_codec(codec)
            except ValueError as error:
                if not config["init_partial"] or config["resume"]:
                    raise
                warnings.warn(f"{data.name} keeps scales of its own: {error}", stacklevel=2)
    return DataSets(found)


def open_run(path: str | Path, data: Data | None = None, encoder: nn.Module | None = None) -> PreparedRun:
    """A trained run as its folder has it, with its weights, for ``evaluate_run`` and ``report_run``.

    The packages that the saved configuration trusts are not trusted. ``data`` is that of a run whose data no file
    can name, and ``encoder`` the object of one whose encoder none can.
    """
    folder = RunDir(Path(path).resolve())
    saved = read_saved(folder.path).config
    bounds = {"max_steps": folder.start(resume=True).step + 1, "max_epochs": None, "max_time": None}
    bounds = saved["trainer"] | bounds
    prepared = prepare_run(saved | {"resume": str(folder.path), "trainer": bounds}, folder, data, encoder)
    prepared.load_weights()
    return prepared
