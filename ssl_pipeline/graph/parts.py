"""The parts of a graph, and how they are bound to a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.graph.columns import ColumnModels, ColumnNode, Columns, column_node
from ssl_pipeline.graph.corrupter import STORAGES, Corrupter
from ssl_pipeline.graph.encoding import EncodesViews
from ssl_pipeline.graph.teacher_targets import learners
from ssl_pipeline.graph.topology import check_topology, consensus_edges, decoded_nodes, topology
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
from ssl_pipeline.models.latents import LatentFormat, Tokens
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.objectives import GraphInfo, Objective, Term
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, Edge, Node
from ssl_pipeline.utils.errors import nearest, options_of


class GraphParts(Bindable, EncodesViews, nn.Module):
    """What a graph is made of: it knows no data, and gets its weights when it is bound to some; see ``Graph``."""

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
        storage: str = "file",
        allow_collapse: bool = False,
    ) -> None:
        super().__init__()
        if not corruptions:
            raise ValueError("a graph has one view at least, got none: name a corruption, such as Mask()")
        self.corruptions = dict(corruptions)
        self.views_per_step = len(self.corruptions) if views_per_step == "all" else int(views_per_step)
        if storage not in STORAGES:
            raise ValueError(f"storage={storage!r} is not known; {nearest(storage, STORAGES)}")
        self.storage = storage
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
        empty = clean_view(spec.grid, spec.grid.zeros(1))
        for corruption in self.corruptions.values():  # refuses now what would be refused in the first step
            self.encoder.shape_of(corruption.output_grid.shape)
            if corruption.masks:
                self.encoder.check_mask(corruption(empty, torch.Generator()).cell)
        with options_of("latent"):
            self.latent = self.latent.bind(self.encoder.width, self.encoder.embedding_width)
        self.objective = self.objective.bind(self._info(spec))
        self.normalize = Normalize(spec.grid, spec.mean, spec.std)
        self.columns = Columns(self._columns(spec))
        self._connect()
        self.corrupter = Corrupter(spec.grid, self.corruptions, self.columns, self.views_per_step, self.storage)
        self.decoders = self._decoders(self.objective.edges)
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
        targets_are_distinct(self.objective, self.columns.decoded_as(self.grid))

    def _decoders(self, edges: Sequence[Edge]) -> nn.ModuleDict:
        """One decoder a target; to columns on the grid of the samples lead those of the samples."""
        like = [Node.view(name) for name in self.columns.decoded_as(self.grid)]
        led = [edge._replace(target=CLEAN) if edge.target in like else edge for edge in edges]
        return nn.ModuleDict({to.name: self._decoder(to, led) for to in decoded_nodes(led)})

    @property
    def _dense_shape(self) -> tuple[int, ...] | None:
        """Grid of the latent's tokens; None where they have no places."""
        return self.encoder.dense_shape if self.latent.keeps_grid else None

    @property
    def _finer(self) -> tuple[GridSpec, ...]:
        """Grids of the levels above the latent's tokens."""
        return self.encoder.finer if self.latent.keeps_grid else ()

    def _decoder(self, target: Node, edges: Sequence[Edge]) -> Decoder:
        corruption, column = self.corruptions.get(target.name), self.columns.named().get(target.name)
        grid, n_params, decoder, at = self.grid, 0, self.like_decoder[0], "decoder"
        if corruption is not None:
            grid, n_params = corruption.output_grid, len(corruption.corruption_params)
        if column is not None:
            grid, decoder = column.grid, column.prototype or decoder
            at = f"columns.{target.name}.decoder" if target.name in self.models else at
        with options_of(at):
            made = decoder.bind(grid, self.latent.width, self._dense_shape, n_params, self._finer)
        latent_feeds(made, target, edges, self.latent, self.encoder, self.corruptions, self.columns.named())
        return made
