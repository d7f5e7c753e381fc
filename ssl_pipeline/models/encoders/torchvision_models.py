"""Models of torchvision's by name."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.outside import OutsideEncoder
from ssl_pipeline.models.encoders.published import check_image, create
from ssl_pipeline.structures.grid import GridSpec

_WEIGHTS = ("weights", "weights_backbone")


@register("encoder", "torchvision")
class TorchvisionBackbone(OutsideEncoder):
    """A torchvision model by name, cut at a node, untrained; where a grid has not 3 channels, a 1x1 convolution makes
    them. They see masked places as they are filled.

    Args:
        name: a name that ``torchvision.models.list_models()`` knows.
        options: further arguments of the model, such as ``patch_size`` of a ViT; its ``image_size`` is the data's.
        node: the module whose feature map (B, D, h, w) or tokens (B, N, D) are taken; None for the last of the model's
            own modules that gives either before they are averaged.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: unknown name, option or node.
    """

    def __init__(
        self,
        *,
        name: str = "resnet18",
        options: Mapping[str, Any] | None = None,
        node: str | None = None,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__(view_drop)
        if name not in torchvision.models.list_models():
            near = ", ".join(torchvision.models.list_models(include=f"*{name[:6]}*")[:5])
            raise ValueError(
                f"torchvision has no model {name!r}; nearest: {near or 'see torchvision.models.list_models()'}"
            )
        if weights := [key for key in options or {} if key in _WEIGHTS]:
            raise ValueError(
                f"encoder.options.{weights[0]}: weights are not loaded here; set init_from to a run's folder"
            )
        self.name, self.options, self.node = name, dict(options or {}), node

    @property
    def what(self) -> str:
        """The model's name."""
        return f"torchvision's {self.name}"

    def make(self, grid: GridSpec) -> nn.Module:
        """The model up to the node."""
        check_image(grid)
        sizes = {"image_size": grid.shape[0], "input_size": grid.shape} if len({*grid.shape}) == 1 else {}
        known = signature(torchvision.models.get_model_builder(self.name)).parameters
        none = dict.fromkeys(key for key in _WEIGHTS if key in known)  # some builders download those of a backbone
        model = create(torchvision.models.get_model, self.name, self.options, sizes, **none)
        self.colour = nn.Identity() if grid.channels == 3 else nn.Conv2d(grid.width, 3, 1)
        node = self.node or _last_map(model, torch.zeros(1, 3, *grid.shape))
        return create_feature_extractor(model, {node: "features"})

    def features(self, x: Tensor) -> Tensor:
        """What the node gives."""
        return self.model(self.colour(x))["features"]


@torch.no_grad()
def _last_map(model: nn.Module, x: Tensor) -> str:
    """Name of the last of the model's own modules, but for its head, that gives a map or tokens, not their mean.

    Raises:
        ValueError: the model does not take the image, or has no such module.
    """
    found: list[str] = []

    def note(name: str) -> Any:
        return lambda module, given, out: found.append(name) if isinstance(out, Tensor) and out.ndim in (3, 4) else None

    *body, _ = [(name, part) for name, part in model.named_children() if not isinstance(part, nn.AdaptiveAvgPool2d)]
    hooks = [part.register_forward_hook(note(name)) for name, part in body]
    training = model.training
    try:
        model.eval()(x)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ValueError(
            f"it does not take images of {tuple(x.shape[2:])} ({' '.join(str(error).split())}): set data.size or "
            f"encoder.options"
        ) from error
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    if not found:
        raise ValueError("no module of its own gives a map or tokens: set encoder.node to one within these")
    return found[-1]
