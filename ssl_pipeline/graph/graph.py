"""The graph of corruptions, encoders, one latent, decoders and energies: a plain module that any loop can train."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.graph.columns import ColumnNode, Columns
from ssl_pipeline.graph.teacher_targets import Teaching, learners
from ssl_pipeline.graph.topology import check, consensus_loss, decoded, leading, plan
from ssl_pipeline.graph.validation import (
    latent_feeds,
    targets_are_distinct,
    teacher_sees,
    terms_fit_the_grid,
    views_share_samples,
)
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.models.ema_teacher import Teacher
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.latents import Consensus, Slots, Tokens
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.objectives import CrossModal, Objective, Reconstruction, State
from ssl_pipeline.structures.batch import Batch, Latent, View, as_float, clean_view
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, view_node, view_of
from ssl_pipeline.structures.random import generator
from ssl_pipeline.structures.view_assignment import ViewAssignment, assign_views


class Views(NamedTuple):
    """A batch, clean and damaged, in the data's units."""

    clean: View
    views: Mapping[str, View]
    assignment: ViewAssignment
    source: Tensor  # (B,) what each sample was taken from
    columns: Mapping[str, View] = {}  # what else energies want to know of the samples


class Graph(nn.Module):
    """All forms of a sample, and what connects them.

    Args:
        grid: grid of the clean samples.
        corruptions: one a view, by the view's name.
        encoder: shared by all views.
        latent: format of the common latent.
        decoder: makes the decoder to one target, called with its ``grid`` and the number of ``corruption_params``.
        objective: the energies.
        columns: what belongs to each sample besides itself, by name, as far as energies reach it.
        teacher: makes the slow copy of the modules that it is given by name; None: the encoder is its own teacher.
        normalize: from the data's units to those of the networks.
        views_per_step: views that each sample passes in a step, or ``all``.
        allow_collapse: accept an objective that nothing keeps from collapsing.

    Raises:
        ValueError: see ``topology.check``; views of different grids; pairs that never meet; a decoder that the latent
            cannot feed.
    """

    def __init__(
        self,
        *,
        grid: GridSpec,
        corruptions: Mapping[str, Corruption],
        encoder: Encoder,
        latent: Tokens | Slots,
        decoder: Callable[..., Decoder],
        objective: Objective,
        normalize: Normalize,
        columns: Mapping[str, ColumnNode] | None = None,
        teacher: Callable[[Mapping[str, nn.Module]], Teacher] | None = None,
        views_per_step: int | str = "all",
        allow_collapse: bool = False,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.corruptions = dict(corruptions)
        self.encoder, self.objective = encoder, objective
        self.latent: Tokens | Slots = latent
        self.normalize = normalize
        self.columns = Columns(columns or {})
        for corruption in self.corruptions.values():
            encoder.shape_of(corruption.output_grid.shape)  # refuses now what it would refuse in the first step
        names, fuse = tuple(self.corruptions), latent.fuse
        self.views_per_step = len(names) if views_per_step == "all" else int(views_per_step)
        self.edges = objective.edges(names, fuse is not None)
        edges = [edge for group in self.edges.values() for edge in group]
        self.nodes, self.students, self.teacher_views, self.known = plan(
            names, edges, fuse is not None, tuple(self.columns)
        )
        check(
            self.nodes, [*edges, *(consensus_loss(names) if fuse is not None and fuse.relaxes else ())], allow_collapse
        )
        terms_fit_the_grid(objective, self.edges, grid, self.corruptions, self.columns.named())
        views_share_samples(objective, self.edges, names, self.views_per_step, fuse is not None)
        teacher_sees(self.teacher_views, self.corruptions)
        targets_are_distinct(objective, self.edges, self._like_samples)
        like = [view_node(name) for name in self._like_samples]
        led = [edge._replace(target=CLEAN) if edge.target in like else edge for edge in edges]
        self.decoders = nn.ModuleDict({view_of(to): self._decoder(decoder, to, led) for to in decoded(led)})
        if teacher is not None and not self.teacher_views:
            raise ValueError("objective= predicts no teacher: set teacher=none, or add a term that does (...+byol)")
        self.teacher = None if teacher is None else teacher(learners(encoder, latent, objective))

    def corrupt(self, batch: Batch, seed: int = 0, step: int = 0, rank: int = 0, *, whole: bool = False) -> Views:
        """Views of a batch, a pure function of it and (seed, step, rank); ``whole``: all samples in all views."""
        clean = clean_view(self.grid, as_float(batch.x, self.grid), batch.valid)
        device, size = clean.x.device, len(clean.x)
        m = len(self.corruptions) if whole else self.views_per_step
        dealt = assign_views(tuple(self.corruptions), m, size, device, seed, step, rank)
        views = {}
        for name, corruption in self.corruptions.items():
            start = clean._replace(
                x=dealt.of(clean.x, name), valid=None if clean.valid is None else dealt.of(clean.valid, name)
            )
            views[name] = corruption(start, generator(device, seed, step, rank, name))
        return Views(clean, views, dealt, batch.source, self.columns.views(batch.columns, dealt))

    def forward(self, corrupted: Views) -> dict[str, Tensor]:
        """Energies by edge, and their weighted sum as ``loss``; with a relaxed latent see ``Consensus.added_to``."""
        state, ball = self._state(corrupted)
        losses = self.objective(state, self.edges)
        return losses if ball is None else ball.added_to(losses)

    def per_sample(self, corrupted: Views) -> Float[Tensor, "B"]:
        """Loss of each sample, of the terms that tell one; no ranks meet in it.

        Args:
            corrupted: made with ``whole=True``.

        Raises:
            ValueError: samples that pass some of the views only; no term that tells the energy of a sample.
        """
        if corrupted.assignment.rows is not None:
            raise ValueError("expected all samples in all views, got some of them: call damage(..., whole=True)")
        return self.objective.per_sample(self.state(corrupted), self.edges).float()

    def state(self, corrupted: Views) -> State:
        """What energies are computed from."""
        return self._state(corrupted)[0]

    def _state(self, corrupted: Views) -> tuple[State, Consensus | None]:
        if lost := self.columns.keys() - corrupted.columns.keys():
            raise ValueError(f"energies reach the column {min(lost)} of the data, and this batch has none: add it")
        clean, views = self._standard(corrupted.clean), self.standard(corrupted)
        known = views | {name: self._standard(view, name) for name, view in corrupted.columns.items()}
        latents = self.encode({name: known[name] for name in (*self.students, *self.known)})
        ball = None
        if self.latent.fuse is not None:
            ball = self._rest({name: latents[name] for name in views}, clean)
            latents[CONSENSUS] = ball.latent
        corruption_params = {name: self.corruption_params(name, view) for name, view in views.items()}
        targets = self.teaching.targets(known, latents)
        decoders = self._decoders
        return State(
            clean, known, corrupted.source, latents, corrupted.assignment, decoders, corruption_params.get, targets
        ), ball

    def encode(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Latents of standardised views and columns."""
        apart = self.columns.encoders()
        seen = {name: view for name, view in views.items() if name not in apart}
        found = self.encoder(seen) if seen else {}
        for name in [name for name in views if name in apart]:
            found |= apart[name]({name: views[name]})
        return {name: self.latent(found[name]) for name in views}

    def standard(self, corrupted: Views) -> dict[str, View]:
        """The views as the encoder takes them."""
        return {name: self._standard(view) for name, view in corrupted.views.items()}

    def embed(
        self,
        x: Shaped[Tensor, "B ..."],
        valid: Bool[Tensor, "B *grid"] | None = None,
        view: str = "unknown",
        teacher: bool = False,
    ) -> Float[Tensor, "B D"]:
        """Embeddings of samples, uint8 or in the data's units; what is not ``valid`` is padding.

        Args:
            x: samples.
            valid: False = padding.
            view: the damage that they have suffered.
            teacher: embed with the teacher's slow copy of the encoder.

        Raises:
            ValueError: the graph has no teacher of its own.
        """
        return self.encoded(view, clean_view(self.grid, as_float(x, self.grid), valid), teacher).pooled

    def encoded(self, name: str, view: View, teacher: bool = False) -> Latent:
        """The latent of a view in the data's units; see ``embed``."""
        if teacher and self.teacher is None:
            raise ValueError("this graph has no teacher of its own: train with teacher=ema, or set teacher=False")
        encoder, latent = self.teaching.parts if teacher else (self.encoder, self.latent)
        return latent(encoder({name: self._standard(view)})[name])

    def latents(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Latents of views and columns in the data's units."""
        return self.encode({name: self._standard(view, name) for name, view in views.items()})

    def grid_of(self, name: str) -> GridSpec:
        """What a view, a column of the data or, by any other name, the samples lie on."""
        if name in self.columns:
            return self.columns.named()[name].grid
        return self.corruptions[name].output_grid if name in self.corruptions else self.grid

    def enter(self, name: str, view: View) -> Latent:
        """What of a view in the data's units goes into the encoder's first block."""
        return self.encoder.enter(name, self._standard(view))

    def restore(self, name: str, view: View) -> Tensor:
        """The clean form of a view in the data's units, as the graph's decoder gives it everywhere.

        Raises:
            ValueError: no decoder leads to the clean form.
        """
        return self.decode(self.latents({name: view})[name])

    def decode(self, latent: Latent, to: str = CLEAN, corruption_params: Tensor | None = None) -> Tensor:
        """What a latent leads to, in the data's units.

        Args:
            latent: of a view, or of their consensus.
            to: ``clean``, or the view that a translator leads to.
            corruption_params: parameters (B, k) of that view's corruption.

        Raises:
            ValueError: no decoder leads there.
        """
        return self.joined(self.decoder(to).generate(latent, corruption_params), to)

    def joined(self, patches: Tensor, to: str = CLEAN) -> Tensor:
        """Decoded patches, or logits, as samples in the data's units."""
        decoder = self.decoder(to)
        if decoder.patches.grid.discrete:
            return patches.argmax(-1).unflatten(1, decoder.patches.grid.shape)
        return self.normalizer(to).inverse(decoder.patches.join(patches.float()))

    def decoder(self, to: str = CLEAN) -> Decoder:
        """What leads to the clean form, to a view or to a column of the data.

        Raises:
            ValueError: nothing does.
        """
        if to not in (known := self._decoders):
            what = "the clean form" if to == CLEAN else f"view {to}"
            raise ValueError(f"this graph has no decoder to {what}: train with objective=...+reconstruct")
        return known[to]  # pyright: ignore[reportReturnType]

    def leads_to(self, to: str) -> bool:
        """Whether a decoder does: to the clean form, to a view or to a column of the data."""
        return to in self._decoders

    def fills_only(self, name: str) -> bool:
        """Whether of a view with holes the decoder has learned only what is in them, or all else is clean already."""
        if self.corruptions[name].only_masks:
            return True
        terms = [term for _, term in self.objective.named() if isinstance(term, Reconstruction | CrossModal)]
        terms = [term for term in terms if term.target == CLEAN and term.leads_from(name)]
        return self.latent.fuse is None and bool(terms) and all(term.fills_only for term in terms)

    def leading(self, target: str = CLEAN) -> list[str]:
        """The views from whose latents a decoder learns to lead to a node; by default, those that it restores."""
        edges = [edge for group in self.edges.values() for edge in group]
        return leading(edges, target, tuple(self.corruptions))

    def corruption_params(self, name: str, view: View) -> Tensor | None:
        """Parameters of a view's corruption, (B, k), as a decoder to that view is told them."""
        corruption_params = self.corruptions[name].corruption_params
        return (
            torch.stack([view.params[key].float() for key in corruption_params], dim=1) if corruption_params else None
        )

    def follow(self, progress: float = 0.0) -> None:
        """Let the teacher follow; to be called after each step of the optimiser.

        Args:
            progress: of the training, from 0 to 1.
        """
        self.teaching.follow(progress)

    def start_teacher(self, copies: Collection[str] | None = None) -> None:
        """Let the teacher be as what it teaches; after the weights of that were set.

        Args:
            copies: names of the parts that are to be so; None for all.
        """
        self.teaching.start(copies)

    @property
    def teaching(self) -> Teaching:
        """Who says what is to be predicted, and of which views."""
        return Teaching(learners(self.encoder, self.latent, self.objective), self.teacher, self.teacher_views)

    def relax(self, corrupted: Views) -> Consensus:
        """The consensus of a batch with the energy along the way down.

        Raises:
            ValueError: the latent has no consensus.
        """
        return self._rest(self.encode(self.standard(corrupted)), self._standard(corrupted.clean))

    def consensus(self, views: Mapping[str, View]) -> Latent:
        """The one latent of some of a sample's views, at least one, in the data's units.

        The springs alone hold it: nothing of the clean sample is needed. ``decode`` leads on to the clean form.

        Raises:
            ValueError: no views; the latent has no consensus.
        """
        if not views:
            raise ValueError("a consensus is made of one view at least, got none: pass {name: view}")
        return self._rest(self.latents(views)).latent

    def _rest(self, latents: Mapping[str, Latent], clean: View | None = None) -> Consensus:
        """Where the ball comes to rest between the latents of its views and, where it is given, the clean sample."""
        if self.latent.fuse is None:
            raise ValueError("views keep latents of their own: set latent=slots latent.fuse=mean or relaxed")
        loss = None if clean is None else self.objective.explains(clean, self.decoders)
        return self.latent.fuse([latent.tokens for latent in latents.values()], loss)

    @property
    def _like_samples(self) -> list[str]:
        return self.columns.decoded_as(self.grid)

    @property
    def _decoders(self) -> dict[str, nn.Module]:
        """By target."""
        known = dict(self.decoders.items())
        return known | {name: known[CLEAN] for name in self._like_samples if CLEAN in known}

    def normalizer(self, name: str) -> Normalize:
        """To the networks' units from those of a column of the data; from those of the samples for all other names."""
        own = self.columns.named()[name].normalize if name in self.columns else None
        return self.normalize if own is None else own

    def _standard(self, view: View, name: str = CLEAN) -> View:
        normalize = self.normalizer(name)
        unmasked = None if view.unmasked is None else normalize(view.unmasked)
        return view._replace(x=normalize(view.x), unmasked=unmasked)

    def _decoder(self, decoder: Callable[..., Decoder], target: str, edges: Sequence[Edge]) -> Decoder:
        corruption, column = self.corruptions.get(view_of(target)), self.columns.named().get(view_of(target))
        grid, corruption_params = (
            (self.grid, 0) if corruption is None else (corruption.output_grid, len(corruption.corruption_params))
        )
        if column is not None:
            grid, decoder = column.grid, column.decoder or decoder
        made = decoder(grid=grid, corruption_params=corruption_params)
        latent_feeds(made, target, edges, self.latent, self.encoder, self.corruptions, self.columns.named())
        return made
