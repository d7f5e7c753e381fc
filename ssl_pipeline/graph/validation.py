"""Which parts of a graph go together; each function refuses what does not, and says what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.graph.columns import ColumnNode
from ssl_pipeline.graph.topology import leading
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.latents import LatentFormat
from ssl_pipeline.objectives import Consistency, CrossModal, MaskedPrediction, Objective, Reconstruction
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, Edge, Node


def terms_fit_the_grid(
    objective: Objective, grid: GridSpec, corruptions: Mapping[str, Corruption], columns: Mapping[str, ColumnNode]
) -> None:
    """Each term compares what its targets are made of, where they lie.

    Raises:
        ValueError: symbols compared as numbers or the reverse; tokens predicted on another grid than the clean one; a
            teacher of what another encoder sees.
    """
    for name, term in objective.named():
        for edge in term.edges:
            column = columns.get(edge.target.name)
            made_of = grid if column is None else column.grid
            if isinstance(term, Reconstruction | CrossModal) and term.loss.discrete != made_of.discrete:
                kind, other = ("symbols", "cross_entropy") if made_of.discrete else ("numbers", "reconstruct")
                what = "this data" if column is None else f"column {edge.target.name}"
                raise ValueError(f"objective={name} does not compare {kind}, which {what} is made of: take {other}")
            if edge.target.kind == "teacher" and column is not None and column.grid != grid:
                raise ValueError(
                    f"objective.{name} predicts the teacher's latent of {edge.target.name}, which lies on a grid of "
                    f"its own and has no teacher: take a loss between the two latents, such as info_nce"
                )
        if isinstance(term, Consistency) and not term.fits(grid):
            kind, other = ("symbols", "symmetric_kl") if grid.discrete else ("numbers", "mse")
            raise ValueError(
                f"objective.{name}.loss={type(term.loss).__name__} does not compare {kind}, which this data is "
                f"made of: take {{type: {other}}}"
            )
        for view in term.covered(tuple(corruptions)) if isinstance(term, MaskedPrediction) else ():
            if view not in corruptions:
                raise ValueError(
                    f"objective.{name} predicts the tokens of views, and {view} is none: take some of them"
                )
            if (shape := corruptions[view].output_grid.shape) != grid.shape:
                raise ValueError(
                    f"objective.{name} predicts the tokens of views of the clean grid's shape {grid.shape}, "
                    f"and {view} is {shape}: set objective.{name}.views to the others"
                )


def views_share_samples(objective: Objective, views: Sequence[str], per_step: int, consensus: bool) -> None:
    """A sample passes the views that are to be compared or made one in a step.

    Args:
        objective: whose terms may compare views.
        views: their names.
        per_step: how many of them a sample passes.
        consensus: whether all of them become one latent.

    Raises:
        ValueError: too few of them.
    """
    if consensus and per_step < len(views):
        raise ValueError("latent.fuse needs every view of a sample: set views_per_step=all")
    pairs = {name: term for name, term in objective.named() if term.pairs_views(views)}
    some = [name for name, term in pairs.items() if term.views is not None]
    if some and per_step < len(views):
        what = f"edge {some[0]} joins" if isinstance(pairs[some[0]], CrossModal) else f"objective.{some[0]}.views names"
        raise ValueError(f"{what} some views, of which a sample may pass none: set views_per_step=all")
    if pairs and per_step == 1:
        raise ValueError(
            f"objective.{next(iter(pairs))} compares views and needs two of a sample: set views_per_step=2 or more"
        )


def encoder_learns(encoder: Encoder) -> None:
    """After the first backward pass: the encoder has a gradient, or is frozen as a whole.

    Raises:
        ValueError: it has parameters that learn, and none has a gradient.
    """
    learning = encoder.learning()
    if learning and all(parameter.grad is None for parameter in learning):
        raise ValueError(
            f"{encoder.what} has got no gradient in the first step, so it would not learn: its forward must not detach "
            f"its output or run under torch.no_grad(), and the losses must depend on it; of a frozen one also freeze "
            f"what its forward does not use, requires_grad_(False)"
        )


def teacher_sees(teacher_views: Sequence[str], corruptions: Mapping[str, Corruption]) -> None:
    """The values under the masks of the views that a teacher sees are known.

    Raises:
        ValueError: they are not.
    """
    for view in teacher_views:
        if view in corruptions and not corruptions[view].keeps_unmasked:
            raise ValueError(
                f"the teacher sees {view} without its mask, and the values under it are not known after a later "
                f"corruption: name the mask last, such as corruption=noise-mask"
            )


def targets_are_distinct(objective: Objective, columns: Sequence[str]) -> None:
    """From one latent the decoder of the samples leads to one thing.

    Args:
        objective: whose terms lead to samples and columns.
        columns: those to which the decoder of the samples leads.

    Raises:
        ValueError: it is to lead to several, and nothing says to it which of them is meant.
    """
    led: dict[str, dict[str, None]] = {}
    for _, term in objective.named():
        if isinstance(term, Reconstruction | CrossModal):
            for edge in term.edges:
                if len(edge.sources) == 1 and edge.target.name in (CLEAN.name, *columns):
                    led.setdefault(edge.source.name, {})[edge.target.name] = None
    for source, targets in led.items():
        if len(targets) > 1:
            column = next(target for target in targets if target != CLEAN.name)
            raise ValueError(
                f"the latent of {source} leads to {' and to '.join(targets)} through one decoder, which cannot know "
                f"what is asked for: give the column a decoder of its own "
                f"(+decoder@columns.{column}.decoder=cross_attention)"
            )


def latent_feeds(
    decoder: Decoder,
    target: Node,
    edges: Sequence[Edge],
    latent: LatentFormat,
    encoder: Encoder,
    corruptions: Mapping[str, Corruption],
    columns: Mapping[str, ColumnNode],
) -> None:
    """A decoder to a target's node finds the latent that it needs.

    Args:
        decoder: which may need one that covers the grid.
        target: what it leads to.
        edges: of all terms.
        latent: format of the latent.
        encoder: of all views.
        corruptions: of all views.
        columns: by name.

    Raises:
        ValueError: it needs one that covers the grid, and the encoder or the latent leaves some of it out, or it is
            that of something else.
    """
    if not decoder.needs_grid:
        return
    led = [edge for edge in edges if edge.target == target]
    own = [name for name, column in columns.items() if column.encoder is not None]
    elsewhere = [end.name for edge in led for end in edge.sources if end.name in own or len(edge.sources) > 1]
    starts = {*leading(edges, target, tuple(corruptions)), *(end.name for edge in led for end in edge.sources)}
    skipped = [name for name in corruptions if name in starts and corruptions[name].masks and not encoder.sees_masked]
    if skipped:
        why = f"the encoder skips the masked tokens of {', '.join(skipped)}"
    elif not latent.keeps_grid:
        why = "slots do not"
    elif elsewhere:
        why = f"what leads there is made of {' and '.join(elsewhere)}"
    elif encoder.dense_shape is None:
        why = "the encoder's tokens have no places"
    elif decoder.patches.grid.ndim != len(encoder.dense_shape):
        why = "the encoder's lies on another one"
    else:
        return
    other = ", or encoder=conv with latent=tokens" if skipped or not latent.keeps_grid else ""
    take = f"set decoder=cross_attention{other}"
    if target.name in columns:
        take = f"set columns.{target.name}.decoder to a cross_attention decoder"
    raise ValueError(f"the decoder to {target.name} needs a latent that covers the grid, and {why}: {take}")
