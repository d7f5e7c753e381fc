"""The first stage: a configuration becomes data, a graph and a plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.data import Data, Mixed
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training.fsdp import UnshardedCopy
from ssl_pipeline.training.graphs import graphs_of, maker, sets_of, start_from
from ssl_pipeline.training.module import PretrainModule
from ssl_pipeline.training.plan import RunPlan, bound_epochs, last_step, plan_run
from ssl_pipeline.training.run_dir import RunDir, Start


@dataclass(frozen=True)
class PreparedRun:
    """What the later stages work with."""

    config: dict[str, Any]
    folder: RunDir
    start: Start
    plan: RunPlan
    data: Data | Mixed
    make: Callable[[], Graph | MixedGraph]  # the graph with the weights that its seed gives
    module: PretrainModule
    whole: UnshardedCopy
    trained: bool = False  # the training is over, and its evaluation is not

    @property
    def sets(self) -> dict[str, Data]:
        """The data sets by name; a single one is called ``""``."""
        return sets_of(self.data)

    @property
    def graphs(self) -> dict[str, Graph]:
        """The graph of each data set, with whole weights."""
        return graphs_of(self.whole.graph)

    def load_weights(self) -> None:
        """Take the weights of the last checkpoint, on the device that the hardware asks for."""
        self.whole.graph.load_state_dict(read_weights(self.folder.path))
        self.whole.graph.to("cuda" if self.plan.hardware.on_gpu else "cpu")


def prepare_run(config: dict[str, Any], folder: RunDir, encoder: nn.Module | None = None) -> PreparedRun:
    """Check the configuration, read the data, build the graph; nothing is written yet.

    Args:
        config: resolved, plain dictionaries.
        folder: of the run.
        encoder: an object of Python, where the configuration's encoder is one.

    Raises:
        ValueError: anything in the configuration or the data that cannot work.
        FileExistsError: a new run in the folder of an old one.
    """
    resume = bool(config["resume"])
    plan = plan_run(config, encoder)
    start = folder.start(resume=resume)
    data: Data | Mixed = build_part("data", config["data"], at="data", trust=tuple(config.get("trust", ())))
    if resume:
        folder.check_data(sets_of(data))
    plan = bound_epochs(plan, data)
    last, trained = last_step(plan, data, config), False
    if resume and folder.awaits_evaluation:
        trained = last <= start.step or plan.clock.is_past(folder.read_summary()["seconds"])
    if last <= start.step and not trained:
        at = f"the run is at step {start.step} and its bound is step {last}"
        raise ValueError(f"{at}: raise trainer.max_steps or max_epochs")
    make = maker(config, data, encoder)
    graph = make()
    if config["init_from"] and not resume:
        start_from(graph, Path(config["init_from"]), config["init_partial"])
    module = PretrainModule(graph, plan.recipe, plan.clock, config["batch_size"], config["seed"], plan.callbacks)
    whole = UnshardedCopy(module, make() if plan.hardware.shards and rank_zero_only.rank == 0 else None)
    return PreparedRun(config, folder, start, plan, data, make, module, whole, trained)


def open_run(path: str | Path) -> PreparedRun:
    """A trained run as its folder has it, with its weights, for ``evaluate_run`` and ``report_run``.

    The packages that the saved configuration trusts are not trusted.
    """
    folder = RunDir(Path(path).resolve())
    saved = read_saved(folder.path).config
    bounds = saved["trainer"] | {"max_steps": folder.start(resume=True).step + 1, "max_epochs": None}
    prepared = prepare_run(saved | {"resume": str(folder.path), "trainer": bounds}, folder)
    prepared.load_weights()
    return prepared
