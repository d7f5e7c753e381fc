"""The graph of corruptions, encoders, one latent, decoders and losses: a plain module that any loop can train."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from ssl_pipeline.graph.corrupter import Views
from ssl_pipeline.graph.parts import GraphParts
from ssl_pipeline.graph.teacher_targets import Teaching, learners
from ssl_pipeline.objectives import State
from ssl_pipeline.structures.batch import Batch, Latent, View
from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge


class Graph(GraphParts):
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
        storage: ``file``: views are what files of the data's kind hold, clipped and rounded; ``exact``: as computed.
        allow_collapse: accept an objective that nothing keeps from collapsing.

    Raises:
        ValueError: no view; a number of views that is none; another ``storage``.

    >>> import torch
    >>> from ssl_pipeline import DataSpec, GridSpec, Mask, Noise, Reconstruction, ViT
    >>> graph = Graph({"mask": Mask(), "noise": Noise()}, encoder=ViT(width=24, depth=1), objective=Reconstruction())
    >>> graph = graph.bind(DataSpec(GridSpec.of(("y", 8), ("x", 8), channels=1)))
    >>> batch = Batch(torch.rand(4, 1, 8, 8), torch.arange(4))
    >>> sorted(graph(graph.corrupt(batch)))
    ['loss', 'reconstruction/mask', 'reconstruction/noise']
    """

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
        state = self.state(corrupted)
        losses = self.objective(state)
        return losses if state.consensus is None else state.consensus.added_to(losses)

    def per_sample(self, corrupted: Views) -> Float[Tensor, "B"]:
        """Loss of each sample, of the terms that give one; no other rank is asked.

        Args:
            corrupted: made with ``whole=True``.

        Raises:
            ValueError: samples that pass some of the views only; no term that gives the loss of a sample.
        """
        if corrupted.assignment.rows is not None:
            raise ValueError("expected all samples in all views, got some of them: call corrupt(..., whole=True)")
        return self.objective.per_sample(self.state(corrupted)).float()

    def state(self, corrupted: Views) -> State:
        """What losses are computed from.

        Raises:
            ValueError: losses reach a column of the data that the batch has not.
        """
        if lost := self.columns.keys() - corrupted.columns.keys():
            raise ValueError(f"losses reach the column {min(lost)} of the data, and this batch has none: add it")
        clean, views = self.normalize.of(corrupted.clean), self.normalized(corrupted.views)
        known = views | self.normalized(corrupted.columns)
        latents = self.encode({name: known[name] for name in (*self.students, *self.encoded_columns)})
        consensus = None
        if self.latent.fuse is not None:
            explains = self.objective.explains(clean, self.decoders)
            consensus = self.latent.fuse([latents[name].tokens for name in views], explains)
            latents[CONSENSUS.name] = consensus.latent
        return State(
            clean,
            known,
            corrupted.source,
            latents,
            corrupted.assignment,
            self.decoders_by_target,
            {name: self.corruptions[name].params_of(view) for name, view in views.items()}.get,
            self.teaching.targets(known, latents),
            self._look,
            consensus,
        )

    def _look(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Latents of standardised views: a gradient reaches these, and no weight or statistic of the encoder moves."""
        still = {name: value.detach() for name, value in self.encoder.named_parameters()}
        still |= {name: value.clone() for name, value in self.encoder.named_buffers()}
        return functional_call(self.encoder, still, (views,))

    @property
    def decoders_by_target(self) -> dict[str, nn.Module]:
        """What leads to the clean form, to views and to columns: to those on the grid of the samples, theirs."""
        known = dict(self.decoders.items())
        if CLEAN.name in known:
            known |= dict.fromkeys(self.columns.decoded_as(self.grid), known[CLEAN.name])
        return known

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
