"""A picture of the graph that a configuration describes, or of a run's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import open_model
from ssl_pipeline.config.overrides import OptionsLike, overrides_of

if TYPE_CHECKING:
    from ssl_pipeline.graph.graph import Graph


def draw_dag(
    options: OptionsLike = (),
    run: str | Path | Run | None = None,
    out: str | Path = "dag.svg",
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> Path:
    """Draw nodes, edges, losses and weights as SVG, without training: draw_dag corruption=mask+noise objective=...

    Args:
        options: as in training; in Python {"corruption": "mask+noise"}.
        run: instead of options, the folder of a run; in Python also a Run.
        out: the picture, a file ending in .svg.
        set: name of the data set whose graph is wanted, where there are several.
        trust: packages of your own whose classes may be named, with commas between them.

    Raises:
        ValueError: options next to a run, no such data set, or another ending.
    """
    from ssl_pipeline.report.dag import dag_svg

    words = overrides_of(options)
    if run is not None and words:
        raise ValueError(f"{words[0]} next to run={run}: a run has its own options; give the one or the other")
    file = Path(out)
    if file.suffix.lower() != ".svg":
        raise ValueError(f"out={out}: the picture is an SVG: name a file that ends in .svg")
    graph = _described(words, set, trust) if run is None else open_model(run, set, trust).graph
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dag_svg(graph) + "\n", encoding="utf-8")
    return file


def _described(words: list[str], set: str | None, trust: tuple[str, ...]) -> Graph:
    from ssl_pipeline.config.compose import compose
    from ssl_pipeline.data import build_data
    from ssl_pipeline.graph.builder import GraphFactory

    config = compose([*words, *([f"trust=[{','.join(trust)}]"] if trust else [])])
    trust = tuple(config["trust"])
    sets = build_data(config["data"], trust)
    if (name := set or next(iter(sets))) not in sets:
        raise ValueError(f"set={name}: expected one of {', '.join(sets)}")
    factory = GraphFactory(config | {"allow_collapse": True}, trust=trust)
    return factory.build(sets[name].layout, fitting=len(sets) > 1)
