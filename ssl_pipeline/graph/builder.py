"""From a configuration to the graph, the same for training and for loading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from ssl_pipeline.config.instantiate import instantiate
from ssl_pipeline.config.parts import columns, edges
from ssl_pipeline.graph.columns import ColumnInfo, ColumnNode
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.latents import Slots, Tokens
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.objectives import Consistency, Objective, Reconstruction, Sizes
from ssl_pipeline.structures.grid import Axis, GridSpec
from ssl_pipeline.structures.nodes import latent_node, view_node, view_of
from ssl_pipeline.utils.errors import nearest

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


def parts(config: Mapping[str, Any], *, trust: tuple[str, ...] = ()) -> dict[str, Any]:
    """The leaves of a graph that still wait for the grid and for widths; finds misspelt options before data is read.

    Raises:
        ValueError: see ``instantiate``.
    """
    # Runs that are older than a group go without it.
    asked = {group: config.get(group) or {} for group in GROUPS}
    asked["columns"] = columns(config.get("columns") or {})
    asked["edge"] = edges(config.get("edge") or {}, asked["objective"])
    return {group: instantiate(node, at=group, trust=trust, allowed=PARTS) for group, node in asked.items()}


def build(
    config: Mapping[str, Any],
    grid: GridSpec,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    columns: Mapping[str, ColumnInfo] | None = None,
    trust: tuple[str, ...] = (),
    fitting: bool = False,
) -> Graph:
    """The graph of a configuration, its weights drawn from torch's global generator.

    Args:
        config: resolved, plain dictionaries.
        grid: grid of the clean samples.
        mean: per channel, in the data's units.
        std: per channel, in the data's units.
        columns: what the data set tells of each sample besides itself.
        trust: see ``instantiate``.
        fitting: leave out those terms of the objective that compare what this grid is not made of.

    Raises:
        ValueError: whatever the parts refuse.
    """
    leaves = parts(config, trust=trust)
    if fitting:
        leaves["objective"] = {name: make for name, make in leaves["objective"].items() if _fits(make, grid)}
    corruptions = {name: made(f"corruption.{name}", make, grid=grid) for name, make in leaves["corruption"].items()}
    encoder = made("encoder", leaves["encoder"], grid=grid, views=tuple(corruptions))
    latent = made("latent", leaves["latent"], width=encoder.width, embedding_width=encoder.embedding_width)
    tokens = _tokens(grid, encoder) if latent.keeps_grid else None
    columns = columns or {}
    if lost := leaves["columns"].keys() - columns.keys():
        raise ValueError(f"columns.{min(lost)}: the data has no column {min(lost)!r}; {nearest(min(lost), columns)}")
    grids = {name: known.grid for name, known in columns.items()}
    sizes = Sizes(grid, latent.embedding_width, latent.width, encoder.sees_masked, tokens, grids)
    objective = Objective(
        {name: made(f"objective.{name}", make, sizes=sizes) for name, make in leaves["objective"].items()}
        | {name: made(f"edge.{name}", make, sizes=sizes) for name, make in leaves["edge"].items()}
    )
    reached = {
        end
        for edges in objective.edges(tuple(corruptions), latent.fuse is not None).values()
        for edge in edges
        for end in (edge.source, edge.target)
    } | {view_node(column) for _, term in objective.named() for column in term.needs}
    wanted = {view_of(end) for end in reached}
    if idle := leaves["columns"].keys() - wanted:
        raise ValueError(f"columns.{min(idle)} has options, and no energy reaches that column: add one, or drop them")
    return Graph(
        grid=grid,
        corruptions=corruptions,
        encoder=encoder,
        latent=latent,
        decoder=partial(
            made,
            "decoder",
            leaves["decoder"],
            latent_width=latent.width,
            dense_shape=encoder.dense_shape if latent.keeps_grid else None,
        ),
        columns={
            name: _beside(name, known, reached, grid, encoder, latent, leaves)
            for name, known in columns.items()
            if name in wanted
        },
        teacher=leaves["teacher"] or None,
        objective=objective,
        normalize=Normalize(grid, mean, std),
        views_per_step=config["views_per_step"],
        allow_collapse=config["allow_collapse"],
    )


def made(at: str, make: Callable[..., Any], **given: Any) -> Any:
    """What ``make`` makes of its options and of what is given.

    Args:
        at: dotted key in the configuration.

    Raises:
        ValueError: sizes of which nothing can be made, such as negative ones.
    """
    try:
        return make(**given)
    except (RuntimeError, ArithmeticError) as error:
        if "allocate" in str(error) or isinstance(error, NotImplementedError | RecursionError):  # not of the options
            raise
        raise ValueError(f"{at} cannot be made with these options: {error}") from error


def build_mixed(
    config: Mapping[str, Any],
    grids: Mapping[str, GridSpec],
    stats: Mapping[str, tuple[Sequence[float] | None, Sequence[float] | None]],
    *,
    trust: tuple[str, ...] = (),
) -> MixedGraph:
    """The graphs of a configuration on several grids; each takes the terms of the objective that fit its grid.

    Args:
        config: resolved, plain dictionaries.
        grids: of each data set.
        stats: mean and standard deviation of each.
        trust: see ``instantiate``.

    Raises:
        ValueError: whatever the parts refuse.
    """
    return MixedGraph(
        {name: build(config, grid, *stats[name], trust=trust, fitting=True) for name, grid in grids.items()}
    )


def _beside(
    name: str,
    known: ColumnInfo,
    reached: set[str],
    grid: GridSpec,
    encoder: Encoder,
    latent: Tokens | Slots,
    leaves: Mapping,
) -> ColumnNode:
    """A column of which energies have reached a node. On the grid of the samples it is encoded as they are.

    Raises:
        ValueError: a model that nothing uses, or an encoder of other widths than that of the samples.
    """
    own: Mapping[str, Any] = leaves["columns"].get(name, {})
    seen, same = latent_node(name) in reached, known.grid == grid
    if "encoder" in own and (same or not seen):
        why = "it is encoded as the samples are, whose grid it has" if seen else "no energy starts from it"
        raise ValueError(f"columns.{name}.encoder would not be used: {why}")
    if "decoder" in own and view_node(name) not in reached:
        raise ValueError(f"columns.{name}.decoder would not be used: no energy leads to it")
    apart, decoder = None, own.get("decoder")
    if seen and not same:
        at = f"columns.{name}.encoder" if "encoder" in own else "encoder"
        try:
            apart = made(at, own.get("encoder") or _elsewhere(leaves["encoder"]), grid=known.grid, views=(name,))
        except ValueError as error:
            raise ValueError(f"no encoder for column {name} (+encoder@columns.{name}.encoder=...): {error}") from error
        if (apart.width, apart.embedding_width) != (encoder.width, encoder.embedding_width):
            raise ValueError(
                f"columns.{name}.encoder gives tokens of {apart.width} numbers and embeddings of "
                f"{apart.embedding_width}, and the encoder of the samples {encoder.width} and "
                f"{encoder.embedding_width}: make them alike (width, pool)"
            )
        for shared in apart.shared if "encoder" not in own else ():
            setattr(apart, shared, getattr(encoder, shared))
    if decoder is not None or (view_node(name) in reached and not same):
        at = "decoder" if decoder is None else f"columns.{name}.decoder"
        decoder = decoder or _elsewhere(leaves["decoder"])
        dense_shape = encoder.dense_shape if latent.keeps_grid else None
        decoder = partial(made, at, decoder, latent_width=latent.width, dense_shape=dense_shape)
    normalize = None if same else Normalize(known.grid, *known.statistics())
    return ColumnNode(known.grid, known.steps, apart, decoder, normalize)


def _elsewhere(make: partial) -> partial:
    """A model of the samples for another grid: ``patch`` counts cells, and there it is the usual one."""
    return partial(make.func, **{option: value for option, value in make.keywords.items() if option != "patch"})


def _tokens(grid: GridSpec, encoder: Encoder) -> GridSpec:
    """Where the tokens of an encoder lie, each with its numbers for channels."""
    return GridSpec(grid.resized(encoder.dense_shape).axes, channels=encoder.width)


def _fits(make: partial, grid: GridSpec) -> bool:
    """Whether a term compares what the grid is made of; one between embeddings or tokens always does."""
    if make.func not in (Consistency, Reconstruction):
        return True
    loss = make.keywords["loss"]
    kind: Any = loss.func if isinstance(loss, partial) else type(loss)
    return kind.discrete == grid.discrete and (grid.ndim == 1 or not kind.whole)


def grid_to_plain(grid: GridSpec) -> dict[str, Any]:
    """A grid as plain lists and numbers."""
    return asdict(grid) | {"axes": [list(axis) for axis in grid.axes], "range": list(grid.range)}


def grid_from_plain(plain: Mapping[str, Any]) -> GridSpec:
    """Inverse of ``grid_to_plain``."""
    return GridSpec(
        **dict(plain) | {"axes": tuple(Axis(*axis) for axis in plain["axes"]), "range": tuple(plain["range"])}
    )
