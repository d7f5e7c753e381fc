"""From a configuration to the graph, the same for training, twins, shards and loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ssl_pipeline.config.build import build_part, build_parts
from ssl_pipeline.config.parts import columns, edges
from ssl_pipeline.graph.columns import ColumnModels
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.models.encoders import UserModule, attach_module
from ssl_pipeline.objectives import Objective
from ssl_pipeline.structures.data_spec import DataSpec

GROUPS = ("corruption", "encoder", "latent", "decoder", "teacher", "objective")


class GraphFactory:
    """Builds all graphs of a run: misspelt names and options are found when it is made, before data is read.

    Args:
        config: resolved, plain dictionaries.
        trust: see ``config.build``.
        encoder: an object of Python, where the configuration's encoder is one.

    Attributes:
        parts: those of the graph, by group, not yet bound to data.

    Raises:
        ValueError: whatever ``config.build`` and the parts refuse.
    """

    def __init__(
        self, config: Mapping[str, Any], *, trust: tuple[str, ...] = (), encoder: nn.Module | UserModule | None = None
    ) -> None:
        single = ("encoder", "latent", "decoder", "teacher")
        self.parts: dict[str, Any] = {one: build_part(one, config.get(one), at=one, trust=trust) for one in single}
        self.parts["encoder"] = attach_module(self.parts["encoder"], encoder)
        for group in ("corruption", "objective"):
            self.parts[group] = build_parts(group, config.get(group), at=group, trust=trust)
        asked = edges(config.get("edge") or {}, self.parts["objective"])
        self.parts["edge"] = build_parts("objective", asked, at="edge", trust=trust)
        self.parts["columns"] = {
            name: {kind: build_part(kind, node, at=f"columns.{name}.{kind}", trust=trust) for kind, node in own.items()}
            for name, own in columns(config.get("columns") or {}).items()
        }
        self.views_per_step, self.allow_collapse = config["views_per_step"], config["allow_collapse"]
        self.storage = config.get("storage", "file")

    def graph(self, objective: Objective | None = None) -> Graph:
        """The graph, which still wants its data; ``objective``: in place of the configuration's."""
        return Graph(
            self.parts["corruption"],
            encoder=self.parts["encoder"],
            latent=self.parts["latent"],
            decoder=self.parts["decoder"],
            teacher=self.parts["teacher"],
            objective=objective or self.objective,
            columns={name: ColumnModels(**models) for name, models in self.parts["columns"].items()},
            views_per_step=self.views_per_step,
            storage=self.storage,
            allow_collapse=self.allow_collapse,
        )

    @property
    def objective(self) -> Objective:
        """The terms of the objective and the edges by name."""
        return Objective(self.parts["objective"] | self.parts["edge"])

    def build(self, spec: DataSpec, *, fitting: bool = False) -> Graph:
        """The graph of a data set, its weights drawn from torch's global generator.

        Args:
            spec: of the data.
            fitting: leave out those terms of the objective that compare what the samples are not made of.

        Raises:
            ValueError: whatever the parts refuse.
        """
        return self.graph(self.objective.fitting(spec.grid) if fitting else None).bind(spec)

    def build_set(self, specs: Mapping[str, DataSpec]) -> GraphSet:
        """The graphs of a run; where there are several, each takes the terms of the objective that fit its samples.

        Args:
            specs: by the names of the data sets.

        Raises:
            ValueError: edges between columns of several data sets; whatever the parts refuse.
        """
        several = len(specs) > 1
        if several and self.parts["edge"]:
            raise ValueError("edge= joins columns of one data set, and this run has several: take one of them")
        return GraphSet({name: self.build(spec, fitting=several) for name, spec in specs.items()})
