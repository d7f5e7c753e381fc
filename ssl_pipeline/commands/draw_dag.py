"""A picture of the graph that a configuration describes."""

from __future__ import annotations

from pathlib import Path

from ssl_pipeline.config.overrides import OptionsLike, overrides_of


def draw_dag(options: OptionsLike, out: str | Path = "dag.svg", set: str | None = None) -> Path:
    """Draw nodes, edges, losses and weights as SVG, without training: draw_dag corruption=mask+noise objective=...

    Args:
        options: as in training; in Python {"corruption": "mask+noise"}.
        out: the picture.
        set: name of the data set whose graph is wanted, where there are several.
    """
    from ssl_pipeline.config.compose import compose
    from ssl_pipeline.data import build_data
    from ssl_pipeline.graph.builder import GraphFactory
    from ssl_pipeline.report.dag import dag_svg

    config = compose(overrides_of(options))
    trust = tuple(config["trust"])
    sets = build_data(config["data"], trust)
    if (name := set or next(iter(sets))) not in sets:
        raise ValueError(f"set={name}: expected one of {', '.join(sets)}")
    factory = GraphFactory(config | {"allow_collapse": True}, trust=trust)
    graph = factory.build(sets[name].layout, fitting=len(sets) > 1)
    file = Path(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dag_svg(graph) + "\n", encoding="utf-8")
    return file
