"""The modules of a graph that lead from views to latents and on to what is decoded from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from ssl_pipeline.graph.columns import ColumnNode, Columns
from ssl_pipeline.graph.encoding import EncodesViews
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.nodes import CLEAN


class GraphPath(EncodesViews, nn.Module):
    """Some of a graph's modules under the names that they have in it: they are shared, and no others are held.

    Args:
        graph: bound to data.
        starts: views and columns of the data that are encoded.
        targets: what is decoded, by name: the clean form, views and columns.
        teacher: encode with the slow copies of the encoder and of the latent.

    Raises:
        ValueError: no decoder leads to a target; the graph has no teacher of its own.
    """

    def __init__(
        self, graph: Graph, starts: Collection[str] = (), targets: Collection[str] = (), teacher: bool = False
    ) -> None:
        super().__init__()
        if teacher and graph.teacher is None:
            raise ValueError("this graph has no teacher of its own: train with teacher=ema, or leave teacher out")
        self.grid, columns = graph.grid, graph.columns.named()
        own = {name for name in (*starts, *targets) if name in columns and columns[name].normalize is not None}
        self.columns = Columns({name: _only(columns[name], name in starts) for name in sorted(own)})
        if {*starts, *targets} - own:
            self.normalize = graph.normalize
        encoder, latent = graph.teaching.parts if teacher else (graph.encoder, graph.latent)
        if {*starts} - self.columns.encoders().keys():
            self.encoder = encoder
        if starts:
            self.latent = latent  # pyright: ignore[reportAttributeAccessIssue]
        known = graph.decoders_by_target
        self.decoders = nn.ModuleDict({to: known[to] for to in targets if to in known})
        for to in targets:
            self.decoder(to)

    def latents(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Latents of views and columns in the data's units."""
        return self.encode(self.normalized(views))

    def decoder(self, to: str = CLEAN.name) -> Decoder:
        """What leads to the clean form, to a view or to a column of the data.

        Raises:
            ValueError: nothing does.
        """
        if to not in self.decoders:
            what = "the clean form" if to == CLEAN.name else f"view {to}"
            raise ValueError(f"this graph has no decoder to {what}: train with objective=...+reconstruct")
        return self.decoders[to]  # pyright: ignore[reportReturnType]

    def decode(self, latent: Latent, to: str = CLEAN.name, corruption_params: Tensor | None = None) -> Tensor:
        """What a latent leads to, in the data's units.

        Args:
            latent: of a view, or of their consensus.
            to: ``clean``, or the view or column that is wanted.
            corruption_params: parameters (B, k) of that view's corruption.

        Raises:
            ValueError: no decoder leads there.
        """
        return self.joined(self.decoder(to).generate(latent, corruption_params), to)

    def joined(self, patches: Tensor, to: str = CLEAN.name) -> Tensor:
        """Decoded patches, or logits, as samples in the data's units."""
        grid = self.decoder(to).patches
        if grid.grid.discrete:
            return patches.argmax(-1).unflatten(1, grid.grid.shape)
        return self.normalizer(to).inverse(grid.join(patches.float()))


def _only(column: ColumnNode, encoded: bool) -> ColumnNode:
    """What of a column is needed to encode it, or to give it in the data's units."""
    return ColumnNode(column.grid, column.steps, column.encoder if encoded else None, None, column.normalize)
