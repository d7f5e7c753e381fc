"""A picture of the graph that a configuration describes."""

from __future__ import annotations

from pathlib import Path

from ssl_pipeline.config.words import OptionsLike, option_words


def draw_dag(options: OptionsLike, out: str | Path = "dag.svg", set: str | None = None) -> Path:
    """Draw nodes, edges, losses and weights as SVG, without training: draw_dag corruption=mask+noise objective=...

    Args:
        options: as in training; in Python {"corruption": "mask+noise"}.
        out: the picture.
        set: name of the data set whose graph is wanted, where there are several.
    """
    from ssl_pipeline.config.build import build_part
    from ssl_pipeline.config.compose import compose
    from ssl_pipeline.data import Data, Mixed
    from ssl_pipeline.graph.builder import GraphFactory
    from ssl_pipeline.report.dag import dag_svg

    config = compose(option_words(options))
    trust = tuple(config["trust"])
    data: Data | Mixed = build_part("data", config["data"], at="data", trust=trust)
    several = isinstance(data, Mixed)
    if isinstance(data, Mixed):
        name = set or next(iter(data.sets))
        if name not in data.sets:
            raise ValueError(f"set={name}: expected one of {', '.join(data.sets)}")
        data = data.sets[name]
    graph = GraphFactory(config | {"allow_collapse": True}, trust=trust).build(data.layout, fitting=several)
    file = Path(out)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dag_svg(graph) + "\n", encoding="utf-8")
    return file
