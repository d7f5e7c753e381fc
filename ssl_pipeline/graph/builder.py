"""From a configuration to the graph, the same for training, twins, shards and loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssl_pipeline.config.instantiate import instantiate
from ssl_pipeline.config.parts import columns, edges
from ssl_pipeline.graph.columns import ColumnModels
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph
from ssl_pipeline.objectives import Objective
from ssl_pipeline.structures.data_spec import DataSpec

GROUPS = ("corruption", "encoder", "latent", "decoder", "teacher", "objective")
PARTS = (
    "ssl_pipeline.corruptions",
    "ssl_pipeline.models",
    "ssl_pipeline.objectives",
    "ssl_pipeline.losses",
    "torch.nn",
    "timm.layers",
)
"""What a graph may be made of: nothing that reads, writes or trains."""


class GraphFactory:
    """Builds all graphs of a run: misspelt names and options are found when it is made, before data is read.

    Args:
        config: resolved, plain dictionaries.
        trust: see ``instantiate``.

    Attributes:
        parts: those of the graph, by group, not yet bound to data.

    Raises:
        ValueError: whatever ``instantiate`` and the parts refuse.
    """

    def __init__(self, config: Mapping[str, Any], *, trust: tuple[str, ...] = ()) -> None:
        asked = {group: config.get(group) or {} for group in GROUPS}  # older runs go without some groups
        asked["columns"] = columns(config.get("columns") or {})
        asked["edge"] = edges(config.get("edge") or {}, asked["objective"])
        self.parts = {group: instantiate(node, at=group, trust=trust, allowed=PARTS) for group, node in asked.items()}
        self.views_per_step, self.allow_collapse = config["views_per_step"], config["allow_collapse"]

    def graph(self, objective: Objective | None = None) -> Graph:
        """The graph, which still wants its data; ``objective``: in place of the configuration's."""
        return Graph(
            self.parts["corruption"],
            encoder=self.parts["encoder"],
            latent=self.parts["latent"],
            decoder=self.parts["decoder"] or None,
            teacher=self.parts["teacher"] or None,
            objective=objective or self.objective,
            columns={name: ColumnModels(**models) for name, models in self.parts["columns"].items()},
            views_per_step=self.views_per_step,
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

    def build_mixed(self, specs: Mapping[str, DataSpec]) -> MixedGraph:
        """The graphs of several data sets; each takes the terms of the objective that fit its samples.

        Raises:
            ValueError: whatever the parts refuse.
        """
        return MixedGraph({name: self.build(spec, fitting=True) for name, spec in specs.items()})
