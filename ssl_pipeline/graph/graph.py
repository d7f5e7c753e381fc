"""The graph of corruptions, encoders, one latent, decoders and losses: a plain module that any loop can train."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.graph.columns import ColumnModels, ColumnNode, Columns, column_node
from ssl_pipeline.graph.corrupter import Corrupter, Views
from ssl_pipeline.graph.teacher_targets import Teaching, learners
from ssl_pipeline.graph.topology import check_topology, consensus_edges, decoded_nodes, leading, topology
from ssl_pipeline.graph.validation import (
    latent_feeds,
    targets_are_distinct,
    teacher_sees,
    terms_fit_the_grid,
    views_share_samples,
)
from ssl_pipeline.models.decoders import CrossAttentionDecoder, Decoder
from ssl_pipeline.models.ema_teacher import EMATeacher
from ssl_pipeline.models.encoders import Encoder, as_encoder
from ssl_pipeline.models.latents import Consensus, LatentFormat, Tokens
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.objectives import CrossModal, GraphInfo, Objective, Reconstruction, State, Term
from ssl_pipeline.structures.batch import Batch, Latent, View, as_float, clean_view
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, Node
from ssl_pipeline.utils.errors import nearest, options_of


class Graph(Bindable, nn.Module):
    """All forms of a sample, and what connects them.

    It is made of parts that know no data, and gets its weights when it is bound to a data set's ``DataSpec``; so it can
    be written down before data is read, and bound again for a twin.

    Args:
        corruptions: one a view, by the view's name.
        encoder: shared by all views; an encoder, its name, the name of a model of timm's, or any module that
            ``ModuleEncoder`` takes, which is trained itself.
        objective: the losses: terms by name, or one term.
        latent: format of the common latent; None: the encoder's tokens.
        decoder: a decoder like it leads to each target; None: cross-attention.
        teacher: the slow copy of what it teaches; None: the encoder is its own teacher.
        columns: models of columns of the data, by name, where they are to differ from those of the samples.
        views_per_step: views that each sample passes in a step, or ``all``.
        allow_collapse: accept an objective that nothing keeps from collapsing.

    Raises:
        ValueError: no view; a number of views that is none.

    >>> from ssl_pipeline.corruptions import Mask, Noise
    >>> from ssl_pipeline.models.encoders import ViT
    >>> graph = Graph({"mask": Mask(), "noise": Noise()}, encoder=ViT(width=24, depth=1), objective=Reconstruction())
    >>> graph = graph.bind(DataSpec(GridSpec.of(("y", 8), ("x", 8), channels=1)))
    >>> batch = Batch(torch.rand(4, 1, 8, 8), torch.arange(4))
    >>> sorted(graph(graph.corrupt(batch)))
    ['loss', 'reconstruction/mask', 'reconstruction/noise']
    """

    def __init__(
        self,
        corruptions: Mapping[str, Corruption],
        *,
        encoder: Encoder | nn.Module | str,
        objective: Objective | Mapping[str, Term] | Term,
        latent: LatentFormat | None = None,
        decoder: Decoder | None = None,
        teacher: EMATeacher | None = None,
        columns: Mapping[str, ColumnModels] | None = None,
        views_per_step: int | str = "all",
        allow_collapse: bool = False,
    ) -> None:
        super().__init__()
        if not corruptions:
            raise ValueError("a graph has one view at least, got none: name a corruption, such as Mask()")
        self.corruptions = dict(corruptions)
        self.views_per_step = len(self.corruptions) if views_per_step == "all" else int(views_per_step)
        self.encoder, self.latent = as_encoder(encoder), latent or Tokens()
        self.objective = objective if isinstance(objective, Objective) else Objective(objective)
        self.like_encoder, self.like_decoder = (self.encoder,), (decoder or CrossAttentionDecoder(),)
        self.teacher, self.models, self.allow_collapse = teacher, dict(columns or {}), allow_collapse

    def setup(self, spec: DataSpec) -> None:
        """Bind all parts to a data set, and make what connects them.

        The weights are drawn from torch's global generator, in a fixed order.

        Raises:
            ValueError: see ``topology.check``; views of different grids; views that never share samples; a decoder that
                the latent cannot feed; whatever the parts refuse.
        """
        self.spec, self.grid, names = spec, spec.grid, tuple(self.corruptions)
        for name, corruption in self.corruptions.items():
            with options_of(f"corruption.{name}"):
                self.corruptions[name] = corruption.bind(spec.grid)
        with options_of("encoder"):
            self.encoder = self.encoder.bind(spec.grid, names)
        for corruption in self.corruptions.values():
            self.encoder.shape_of(corruption.output_grid.shape)  # refuses now what it would refuse in the first step
        with options_of("latent"):
            self.latent = self.latent.bind(self.encoder.width, self.encoder.embedding_width)
        self.objective = self.objective.bind(self._info(spec))
        self.normalize = Normalize(spec.grid, spec.mean, spec.std)
        self.columns = Columns(self._columns(spec))
        self._connect()
        self.corrupter = Corrupter(spec.grid, self.corruptions, self.columns, self.views_per_step)
        self.decoders = self._decoders_of(self.objective.edges)
        if self.teacher is not None and not self.teacher_views:
            raise ValueError("objective= predicts no teacher: set teacher=none, or add a term that does (...+byol)")
        if self.teacher is not None:
            self.teacher = self.teacher.bind(learners(self.encoder, self.latent, self.objective))

    def _info(self, spec: DataSpec) -> GraphInfo:
        """What terms must know."""
        encoder, latent, grid = self.encoder, self.latent, spec.grid
        shape = self._dense_shape
        tokens = None if shape is None else GridSpec(grid.resized(shape).axes, channels=encoder.width)
        columns = {name: column.grid for name, column in spec.columns.items()}
        embedding, consensus = latent.embedding_width, latent.fuse is not None
        views = tuple(self.corruptions)
        return GraphInfo(views, consensus, grid, embedding, latent.width, encoder.sees_masked, tokens, columns)

    def _columns(self, spec: DataSpec) -> dict[str, ColumnNode]:
        """The columns that losses reach."""
        if lost := self.models.keys() - spec.columns.keys():
            near = nearest(min(lost), spec.columns)
            raise ValueError(f"columns.{min(lost)}: the data has no column {min(lost)!r}; {near}")
        ends = {end for edge in self.objective.edges for end in edge.ends}
        ends |= {Node.view(column) for _, term in self.objective.named() for column in term.needs}
        wanted = {end.name for end in ends}
        if idle := self.models.keys() - wanted:
            raise ValueError(f"columns.{min(idle)} has options, and no loss reaches that column: add one, or drop them")
        return {
            name: column_node(
                name,
                info,
                self.models.get(name, ColumnModels()),
                encoded=Node.latent(name) in ends,
                led_to=Node.view(name) in ends,
                grid=spec.grid,
                encoder=self.encoder,
                like_encoder=self.like_encoder[0],
                like_decoder=self.like_decoder[0],
            )
            for name, info in spec.columns.items()
            if name in wanted
        }

    def _connect(self) -> None:
        """The nodes that views and losses call for; refuses what cannot learn."""
        names, fuse, edges = tuple(self.corruptions), self.latent.fuse, self.objective.edges
        found = topology(names, edges, fuse is not None, tuple(self.columns))
        self.nodes, self.students, self.teacher_views, self.encoded_columns = found
        held = consensus_edges(names) if fuse is not None and fuse.relaxes else []
        check_topology(self.nodes, [*edges, *held], self.allow_collapse)
        terms_fit_the_grid(self.objective, self.grid, self.corruptions, self.columns.named())
        views_share_samples(self.objective, names, self.views_per_step, fuse is not None)
        teacher_sees(self.teacher_views, self.corruptions)
        targets_are_distinct(self.objective, self._like_samples)

    def _decoders_of(self, edges: Sequence[Edge]) -> nn.ModuleDict:
        """One decoder a target; to columns on the grid of the samples lead those of the samples."""
        like = [Node.view(name) for name in self._like_samples]
        led = [edge._replace(target=CLEAN) if edge.target in like else edge for edge in edges]
        return nn.ModuleDict({to.name: self._decoder(to, led) for to in decoded_nodes(led)})

    @property
    def is_bound(self) -> bool:
        """Whether it is bound to data, and so has weights."""
        return hasattr(self, "spec")

    @property
    def edges(self) -> dict[str, tuple[Edge, ...]]:
        """Edges of each term."""
        return {name: term.edges for name, term in self.objective.named()}

    def corrupt(self, batch: Batch, seed: int = 0, step: int = 0, rank: int = 0, *, whole: bool = False) -> Views:
        """Views of a batch; see ``Corrupter``."""
        return self.corrupter(batch, seed, step, rank, whole=whole)

    def forward(self, corrupted: Views) -> dict[str, Tensor]:
        """Losses by edge, and their weighted sum as ``loss``; with a relaxed latent see ``Consensus.added_to``."""
        state, consensus = self._state(corrupted)
        losses = self.objective(state)
        return losses if consensus is None else consensus.added_to(losses)

    def per_sample(self, corrupted: Views) -> Float[Tensor, "B"]:
        """Loss of each sample, of the terms that tell one; no ranks meet in it.

        Args:
            corrupted: made with ``whole=True``.

        Raises:
            ValueError: samples that pass some of the views only; no term that tells the energy of a sample.
        """
        if corrupted.assignment.rows is not None:
            raise ValueError("expected all samples in all views, got some of them: call corrupt(..., whole=True)")
        return self.objective.per_sample(self.state(corrupted)).float()

    def state(self, corrupted: Views) -> State:
        """What energies are computed from."""
        return self._state(corrupted)[0]

    def _state(self, corrupted: Views) -> tuple[State, Consensus | None]:
        if lost := self.columns.keys() - corrupted.columns.keys():
            raise ValueError(f"losses reach the column {min(lost)} of the data, and this batch has none: add it")
        clean, views = self._standard(corrupted.clean), self.standard(corrupted)
        known = views | {name: self._standard(view, name) for name, view in corrupted.columns.items()}
        latents = self.encode({name: known[name] for name in (*self.students, *self.encoded_columns)})
        consensus = None
        if self.latent.fuse is not None:
            consensus = self._rest({name: latents[name] for name in views}, clean)
            latents[CONSENSUS.name] = consensus.latent
        corruption_params = {name: self.corruption_params(name, view) for name, view in views.items()}
        targets = self.teaching.targets(known, latents)
        decoders = self._decoders
        return State(
            clean, known, corrupted.source, latents, corrupted.assignment, decoders, corruption_params.get, targets
        ), consensus

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
            view: their corruption.
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

    def decode(self, latent: Latent, to: str = CLEAN.name, corruption_params: Tensor | None = None) -> Tensor:
        """What a latent leads to, in the data's units.

        Args:
            latent: of a view, or of their consensus.
            to: ``clean``, or the view that a translator leads to.
            corruption_params: parameters (B, k) of that view's corruption.

        Raises:
            ValueError: no decoder leads there.
        """
        return self.joined(self.decoder(to).generate(latent, corruption_params), to)

    def joined(self, patches: Tensor, to: str = CLEAN.name) -> Tensor:
        """Decoded patches, or logits, as samples in the data's units."""
        decoder = self.decoder(to)
        if decoder.patches.grid.discrete:
            return patches.argmax(-1).unflatten(1, decoder.patches.grid.shape)
        return self.normalizer(to).inverse(decoder.patches.join(patches.float()))

    def decoder(self, to: str = CLEAN.name) -> Decoder:
        """What leads to the clean form, to a view or to a column of the data.

        Raises:
            ValueError: nothing does.
        """
        if to not in (known := self._decoders):
            what = "the clean form" if to == CLEAN.name else f"view {to}"
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
        terms = [term for term in terms if term.target == CLEAN.name and term.leads_from(name)]
        return self.latent.fuse is None and bool(terms) and all(term.fills_only for term in terms)

    def leading(self, target: Node = CLEAN) -> list[str]:
        """The views from whose latents a decoder learns to lead to a node; by default, those that it restores."""
        return leading(self.objective.edges, target, tuple(self.corruptions))

    def corruption_params(self, name: str, view: View) -> Tensor | None:
        """Parameters of a view's corruption, (B, k), as a decoder to that view takes them."""
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

        The consensus loss alone holds it: nothing of the clean sample is needed. ``decode`` leads on to the clean form.

        Raises:
            ValueError: no views; the latent has no consensus.
        """
        if not views:
            raise ValueError("a consensus is made of one view at least, got none: pass {name: view}")
        return self._rest(self.latents(views)).latent

    def _rest(self, latents: Mapping[str, Latent], clean: View | None = None) -> Consensus:
        """Where the consensus rests between the latents of its views and, where it is given, the clean sample."""
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
        clean = CLEAN.name
        return known | {name: known[clean] for name in self._like_samples if clean in known}

    def normalizer(self, name: str) -> Normalize:
        """To the networks' units from those of a column of the data; from those of the samples for all other names."""
        own = self.columns.named()[name].normalize if name in self.columns else None
        return self.normalize if own is None else own

    def _standard(self, view: View, name: str = CLEAN.name) -> View:
        normalize = self.normalizer(name)
        unmasked = None if view.unmasked is None else normalize(view.unmasked)
        return view._replace(x=normalize(view.x), unmasked=unmasked)

    @property
    def _dense_shape(self) -> tuple[int, ...] | None:
        """Grid of the latent's tokens; None where they have no places."""
        return self.encoder.dense_shape if self.latent.keeps_grid else None

    def _decoder(self, target: Node, edges: Sequence[Edge]) -> Decoder:
        corruption, column = self.corruptions.get(target.name), self.columns.named().get(target.name)
        grid, n_params, decoder, at = self.grid, 0, self.like_decoder[0], "decoder"
        if corruption is not None:
            grid, n_params = corruption.output_grid, len(corruption.corruption_params)
        if column is not None:
            grid, decoder = column.grid, column.prototype or decoder
            at = f"columns.{target.name}.decoder" if target.name in self.models else at
        with options_of(at):
            made = decoder.bind(grid, self.latent.width, self._dense_shape, n_params)
        latent_feeds(made, target, edges, self.latent, self.encoder, self.corruptions, self.columns.named())
        return made
