"""Published backbones by name, behind the same interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
import torchvision
from timm.models import group_parameters  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.conv import dense_latent
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec


class _ImageBackbone(Encoder):
    """One image at a time through a feature extractor; views pass alone, so that batch statistics are a view's own.

    Views may be of other sizes than the clean grid where the model takes them.
    """

    sees_masked = True

    def __init__(self, view_drop: float) -> None:
        super().__init__()
        self.view_drop = view_drop

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        if grid.ndim != 2 or grid.discrete:
            raise ValueError(f"image backbones need a continuous grid of two axes, got {grid.names}; take encoder=vit")
        self.view = ViewEmbedding(views, grid.width, self.view_drop)
        self.model = self.load(grid)
        self._measure(grid)

    def load(self, grid: GridSpec) -> nn.Module:
        """The model for images of a grid."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D, h, w)."""
        raise NotImplementedError

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells."""
        return tuple(self._probe(cells).shape[2:])

    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name."""
        return {name: self._encode(name, view) for name, view in views.items()}

    def _encode(self, name: str, view: View) -> Latent:
        features = self.features(view.x + self.view(name, view.x.shape[0])[..., None, None])
        return dense_latent(features, features.mean((2, 3)))

    def _measure(self, grid: GridSpec) -> None:
        probe = self._probe(grid.shape)
        self.width = self.embedding_width = probe.shape[1]
        self.dense_shape = tuple(probe.shape[2:])

    @torch.no_grad()
    def _probe(self, cells: Sequence[int]) -> Tensor:
        """Features of an empty image of so many cells."""
        training, table = self.training, self.view.table
        try:
            return self.eval().features(table.new_zeros(1, table.shape[1], *cells))
        finally:
            self.train(training)


@register("encoder", "timm")
class TimmBackbone(_ImageBackbone):
    """A timm model by name, untrained (weights come through ``init_from``).

    Args:
        name: a name that ``timm.list_models()`` knows.
        options: further arguments of ``timm.create_model``, such as ``img_size`` or ``patch_size`` of a ViT, which
            takes views of several sizes with ``dynamic_img_size=True`` only.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: unknown name, a model without intermediate feature maps, or one that refuses the grid.
    """

    def __init__(
        self,
        *,
        name: str = "resnet18",
        options: Mapping[str, Any] | None = None,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__(view_drop)
        if not timm.is_model(name):
            near = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or "see timm.list_models()"
            raise ValueError(f"timm has no model {name!r}; nearest: {near}")
        if weights := {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"} & set(
            options or {}
        ):
            raise ValueError(
                f"encoder.options.{weights.pop()}: weights are not loaded here; set init_from to a run's folder"
            )
        self.name, self.options = name, dict(options or {})

    def load(self, grid: GridSpec) -> nn.Module:
        """The model with as many input channels as the grid has."""
        name = self.name
        model = timm.create_model(name, in_chans=grid.channels, num_classes=0, **self.options)
        about: Any = model.default_cfg
        fixed = about.get("fixed_input_size", False) and "img_size" not in self.options
        if fixed and about["input_size"][1:] != grid.shape:
            raise ValueError(
                f"timm's {name} is made for {about['input_size'][1:]} and the data is {grid.shape}: "
                f"set encoder.options={{img_size: {list(grid.shape)}, patch_size: ...}} or data.size"
            )
        if not hasattr(model, "forward_intermediates"):
            raise ValueError(f"timm's {name} does not give feature maps; take another backbone")
        return model

    def features(self, x: Tensor) -> Tensor:
        """Last feature map, (B, D, h, w).

        Raises:
            ValueError: the model refuses images of this size.
        """
        forward: Any = self.model.forward_intermediates
        try:
            return forward(x, indices=1, norm=True, intermediates_only=True)[-1]
        except AssertionError as error:
            raise ValueError(
                f"timm's {self.name} does not take views of {tuple(x.shape[2:])} cells ({error}): "
                f"set +encoder.options.dynamic_img_size=true if it has that option, or another size of the views"
            ) from error

    def layers(self) -> list[list[nn.Parameter]]:
        """The layers as timm counts them; the view embedding belongs to the stem."""
        if not hasattr(self.model, "group_matcher"):
            return super().layers()
        matcher: Any = self.model.group_matcher
        stem, *blocks = group_parameters(self.model, matcher(coarse=False), return_values=True).values()
        return [[*self.view.parameters(), *stem], *blocks]


@register("encoder", "torchvision")
class TorchvisionBackbone(_ImageBackbone):
    """A torchvision model by name, cut at a node, untrained; where a grid has not 3 channels, a 1x1 convolution makes
    them.

    Args:
        name: a name that ``torchvision.models.list_models()`` knows.
        node: the module whose feature map (B, D, h, w) is taken.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: unknown name or node.
    """

    def __init__(
        self,
        *,
        name: str = "resnet18",
        node: str = "layer4",
        view_drop: float = 0.25,
    ) -> None:
        super().__init__(view_drop)
        if name not in torchvision.models.list_models():
            near = ", ".join(torchvision.models.list_models(include=f"*{name[:6]}*")[:5])
            raise ValueError(
                f"torchvision has no model {name!r}; nearest: {near or 'see torchvision.models.list_models()'}"
            )
        self.name, self.node = name, node

    def load(self, grid: GridSpec) -> nn.Module:
        """The model up to the node."""
        model = torchvision.models.get_model(self.name, weights=None)
        self.colour = nn.Identity() if grid.channels == 3 else nn.Conv2d(grid.width, 3, 1)
        return create_feature_extractor(model, {self.node: "features"})

    def features(self, x: Tensor) -> Tensor:
        """Feature map at the node, (B, D, h, w)."""
        return self.model(self.colour(x))["features"]
