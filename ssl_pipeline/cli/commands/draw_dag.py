"""A picture of the graph that a configuration describes."""

from __future__ import annotations

from pathlib import Path

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import build_data
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.report import draw_dag as drawn


def draw_dag(overrides: list[str], out: Path = Path("dag.svg"), set: str | None = None) -> None:
    """Draw nodes, edges, energies and weights as SVG, without training: draw_dag corruption=mask+noise objective=...

    Args:
        overrides: as in training.
        out: the picture.
        set: name of the data set whose graph is wanted, where there are several.
    """
    config = compose(overrides)
    trust = tuple(config["trust"])
    sets = build_data(config["data"], trust)
    if (name := set or next(iter(sets))) not in sets:
        raise ValueError(f"set={name}: expected one of {', '.join(sets)}")
    factory = GraphFactory(config | {"allow_collapse": True}, trust=trust)
    graph = factory.build(sets[name].layout, fitting=len(sets) > 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(drawn(graph) + "\n", encoding="utf-8")
    print(out)
