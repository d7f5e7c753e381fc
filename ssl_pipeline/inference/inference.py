"""A trained graph at work: encode, embed, decode, restore."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.modules.source import UNKNOWN
from ssl_pipeline.inference.path import GraphPath
from ssl_pipeline.structures.batch import Latent, View, as_float, clean_view


class Inference(GraphPath):
    """All of a graph that works once it has learned; its modules are shared, and stay in the mode that they are in.

    Args:
        graph: bound to data.
        teacher: encode with the slow copy of the encoder.

    Raises:
        ValueError: the graph is not bound to data, or has no teacher of its own.

    >>> import torch
    >>> from ssl_pipeline import DataSpec, GridSpec, Noise, Reconstruction, ViT
    >>> graph = Graph({"noise": Noise()}, encoder=ViT(width=24, depth=1), objective=Reconstruction())
    >>> graph = graph.bind(DataSpec(GridSpec.of(("y", 8), ("x", 8), channels=1))).eval()
    >>> Inference(graph).embed(torch.rand(4, 1, 8, 8)).shape
    torch.Size([4, 24])
    """

    def __init__(self, graph: Graph, teacher: bool = False) -> None:
        if not graph.is_bound:
            raise ValueError("this graph has no weights yet: train it, or bind it to data, graph.bind(spec)")
        starts = (UNKNOWN, *graph.corruptions, *graph.encoded_columns)
        super().__init__(graph, starts, graph.decoders_by_target, teacher)

    def embed(
        self, x: Shaped[Tensor, "B ..."], valid: Bool[Tensor, "B *grid"] | None = None, view: str = UNKNOWN
    ) -> Float[Tensor, "B D"]:
        """Embeddings of samples, uint8 or in the data's units.

        Args:
            x: samples.
            valid: False = padding.
            view: their corruption.
        """
        return self.encoded(view, clean_view(self.grid, as_float(x, self.grid), valid)).pooled

    def encoded(self, name: str, view: View) -> Latent:
        """The latent of a view in the data's units."""
        return self.latents({name: view})[name]

    def restore(self, name: str, view: View) -> Tensor:
        """The clean form of a view in the data's units, as the graph's decoder gives it everywhere.

        Raises:
            ValueError: no decoder leads to the clean form.
        """
        return self.decode(self.encoded(name, view))

    def consensus(self, views: Mapping[str, View]) -> Latent:
        """The one latent of some of a sample's views, at least one, in the data's units.

        Nothing of the clean sample is needed: it rests where the latents of the views attract it alone. ``decode``
        leads on to the clean form.

        Raises:
            ValueError: no views; the latent has no consensus.
        """
        if not views:
            raise ValueError("a consensus is made of one view at least, got none: pass {name: view}")
        if self.latent.fuse is None:
            raise ValueError("views keep latents of their own: set latent=slots latent.fuse=mean or relaxed")
        return self.latent.fuse([latent.tokens for latent in self.latents(views).values()], None).latent
