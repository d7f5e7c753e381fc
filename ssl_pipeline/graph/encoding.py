"""From views to latents, the same in training and where a trained graph works."""

from __future__ import annotations

from collections.abc import Mapping

from ssl_pipeline.graph.columns import Columns
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.latents import LatentFormat
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.structures.batch import Latent, View


class EncodesViews:
    """What has the modules that encode views and columns of the data.

    Attributes:
        normalize: from the samples' units to those of the networks.
        encoder: of all views, and of columns on the grid of the samples.
        latent: format of the latent.
        columns: models of columns of the data that have some of their own.
    """

    normalize: Normalize
    encoder: Encoder
    latent: LatentFormat
    columns: Columns

    def normalizer(self, name: str) -> Normalize:
        """To the networks' units from those of a column of the data; from those of the samples for all other names."""
        own = self.columns.named()[name].normalize if name in self.columns else None
        return self.normalize if own is None else own

    def normalized(self, views: Mapping[str, View]) -> dict[str, View]:
        """Views and columns in the data's units as the encoder takes them."""
        return {name: self.normalizer(name).of(view) for name, view in views.items()}

    def encode(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Latents of standardised views and columns."""
        own = self.columns.encoders()
        alike = {name: view for name, view in views.items() if name not in own}
        found = self.encoder(alike) if alike else {}
        for name in [name for name in views if name in own]:
            found |= own[name]({name: views[name]})
        return {name: self.latent(found[name]) for name in views}
