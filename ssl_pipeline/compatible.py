"""Which parts of a graph go together; each function refuses what does not, and says what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssl_pipeline.beside import Beside
from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.decoders import Decoder
from ssl_pipeline.encoders import Encoder
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.latent import Slots, Tokens
from ssl_pipeline.objective import Consistency, Objective, PredictTokens, Reconstruct, Relate
from ssl_pipeline.topology import Edge, view_of


def terms_fit_the_grid(
    objective: Objective,
    edges: Mapping[str, Sequence[Edge]],
    grid: GridSpec,
    corruptions: Mapping[str, Corruption],
    columns: Mapping[str, Beside],
) -> None:
    """Each term compares what its targets are made of, where they lie.

    Raises:
        ValueError: symbols compared as numbers or the reverse; tokens predicted on another grid than the clean one; a
            teacher of what another encoder sees.
    """
    for name, term in objective.terms.items():
        for edge in edges[name]:
            beside = columns.get(view_of(edge.target))
            made_of = grid if beside is None else beside.grid
            if isinstance(term, Reconstruct | Relate) and term.energy.discrete != made_of.discrete:
                kind, other = ("symbols", "cross_entropy") if made_of.discrete else ("numbers", "reconstruct")
                what = "this data" if beside is None else f"column {view_of(edge.target)}"
                raise ValueError(f"objective={name} does not compare {kind}, which {what} is made of: take {other}")
            if edge.target.startswith("teacher/") and beside is not None and beside.encoder is not None:
                raise ValueError(
                    f"objective.{name} predicts what a teacher says of {view_of(edge.target)}, which has an encoder of "
                    f"its own and no teacher: take an energy between the two latents, such as info_nce"
                )
        if isinstance(term, Consistency) and term.energy.discrete != grid.discrete:
            kind, other = ("symbols", "SymmetricKL") if grid.discrete else ("numbers", "MSE")
            raise ValueError(
                f"objective.{name}.energy={type(term.energy).__name__} does not compare {kind}, which this data is "
                f"made of: take {{_target_: ssl_pipeline.energies.{other}}}"
            )
        for view in term.covered(tuple(corruptions)) if isinstance(term, PredictTokens) else ():
            if (shape := corruptions[view].output_grid.shape) != grid.shape:
                raise ValueError(
                    f"objective.{name} predicts the tokens of views of the clean grid's shape {grid.shape}, "
                    f"and {view} is {shape}: set objective.{name}.views to the others"
                )


def views_meet(objective: Objective, views: int, per_step: int, consensus: bool) -> None:
    """A sample passes the views that are to be compared or made one in a step.

    Args:
        objective: whose terms may compare views.
        views: how many there are.
        per_step: how many of them a sample passes.
        consensus: whether all of them become one latent.

    Raises:
        ValueError: too few of them.
    """
    if consensus and per_step < views:
        raise ValueError("latent.fuse needs every view of a sample: set views_per_step=all")
    pairs = {name: term for name, term in objective.terms.items() if term.compares_views}
    some = [name for name, term in pairs.items() if term.views is not None]
    if some and per_step < views:
        raise ValueError(
            f"objective.{some[0]}.views names some views, of which a sample may pass none: set views_per_step=all"
        )
    if pairs and views > 1 and per_step == 1:
        raise ValueError(
            f"objective.{next(iter(pairs))} compares views and needs two of a sample: set views_per_step=2 or more"
        )


def teacher_sees(taught: Sequence[str], corruptions: Mapping[str, Corruption]) -> None:
    """What stood in the holes of the views that a teacher sees is known.

    Raises:
        ValueError: it is not.
    """
    for view in taught:
        if view in corruptions and not corruptions[view].knows_holes:
            raise ValueError(
                f"the teacher sees {view} without its holes, and what stood in them is not known after a later "
                f"damage: name the mask last, such as corruption=noise-mask"
            )


def latent_feeds(
    decoder: Decoder,
    target: str,
    latent: Tokens | Slots,
    encoder: Encoder,
    corruptions: Mapping[str, Corruption],
) -> None:
    """A decoder to a target's node finds the latent that it needs.

    Args:
        decoder: which may need one that covers the grid.
        target: name of the node.
        latent: format of the latent.
        encoder: of all views.
        corruptions: of the views that lead to the target.

    Raises:
        ValueError: it needs one that covers the grid, and the encoder or the latent leaves some of it out.
    """
    if not decoder.needs_grid:
        return
    holes = [name for name, corruption in corruptions.items() if corruption.removes and not encoder.sees_holes]
    if holes or not latent.keeps_grid:
        why = f"the encoder leaves out the holes of {', '.join(holes)}" if holes else "slots do not"
        raise ValueError(
            f"the decoder to {target} needs a latent that covers the grid, and {why}: "
            f"set decoder=query, or encoder=conv with latent=tokens"
        )
