"""timm's models, by name or as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import timm
import torch
from timm.layers import PatchDropout, PatchDropoutWithIndices  # pyright: ignore[reportPrivateImportUsage]
from timm.models import group_parameters  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders import timm_tokens
from ssl_pipeline.models.encoders.outside import OutsideEncoder, UserModule
from ssl_pipeline.models.encoders.published import check_image, check_timm_name, create, is_plain
from ssl_pipeline.models.encoders.visible import Visible, check_cell, visible
from ssl_pipeline.models.layers.pooling import masked_mean
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec

_MASKED = (None, "drop", "keep", "token")
_WITHOUT_NORM = ("Hiera", "HieraDet")
"""Models that refuse to standardise their last features."""
_WEIGHTS = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path"}


@register("encoder", "timm")
class TimmBackbone(OutsideEncoder):
    """A timm model, by name and untrained (weights come through ``init_from``), or an object with the weights it has.

    It is made for images of the data's size (``img_size``), and for others where it can (``dynamic_img_size``). A
    vision transformer of images (ViT, DeiT, DINOv2, EVA, DINOv3 ...) computes visible tokens only and can hold mask
    tokens; other models see masked places as they are filled. The embedding is the mean of the tokens of the patches.

    Args:
        name: a name that ``timm.list_models()`` knows.
        options: further arguments of ``timm.create_model``, such as ``patch_size`` of a ViT.
        masked: what becomes of masked patches: ``drop`` leaves them out, ``token`` puts a learned token in their place
            (SimMIM, iBOT), ``keep`` sees them as they are filled; None: ``drop`` where the model can, else ``keep``.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: unknown name or option, a model without feature maps, or one that refuses the grid or ``masked``.
    """

    def __init__(
        self,
        *,
        name: str = "resnet18",
        options: Mapping[str, Any] | None = None,
        masked: str | None = None,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__(view_drop)
        check_timm_name(name)
        if weights := _WEIGHTS & set(options or {}):
            raise ValueError(
                f"encoder.options.{weights.pop()}: weights are not loaded here; set init_from to a run's folder, or "
                f"give the model as an object from Python"
            )
        if masked not in _MASKED:
            raise ValueError(f"encoder.masked={masked!r} is not known; take drop, keep, token or null")
        self.name, self.masked = name, masked
        self.options = {key: value for key, value in (options or {}).items() if value is not None}  # as timm does
        self.dense = False

    @classmethod
    def of(cls, model: nn.Module, masked: str | None = None, view_drop: float = 0.25) -> TimmBackbone:
        """An object of timm's; which graph trains it, and what becomes of it: see ``ModuleEncoder``.

        Its size of images is set to the data's, and its classifier, which is not used, is frozen.

        Raises:
            ValueError: it was made with an option that no configuration can hold, such as a class.
        """
        about: Any = model
        made = getattr(about, "_model_args", {})  # timm >= 1.0.31
        if code := [key for key, value in made.items() if not is_plain(value)]:
            raise ValueError(
                f"this {type(model).__name__} of timm's was made with {code[0]}={made[code[0]]}, which a run's "
                f"configuration cannot hold: name it, act_layer='relu', or take sslp.ModuleEncoder(model)"
            )
        options = {**made, "num_classes": about.num_classes}
        if hasattr(model, "set_input_size"):
            options.pop("img_size", None)  # is set to that of the data
        found = cls(name=about.pretrained_cfg["architecture"], options=options, masked=masked, view_drop=view_drop)
        found.user_module = UserModule(model)
        return found

    def to_plain(self) -> dict[str, object]:
        """What a configuration says of it: all that makes it again, but for weights."""
        known = {"name": self.name, "options": self.options, "masked": self.masked, "view_drop": self.view_drop}
        return {"type": "timm", **known}

    @property
    def what(self) -> str:
        """The model's name."""
        return f"timm's {self.name}"

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        check_image(grid)
        super().setup(grid, views)

    def make(self, grid: GridSpec) -> nn.Module:
        """The model with as many input channels as the grid has."""
        model: Any = self._created(grid) if self.user_module is None else self._taken(self.user_module, grid)
        if not hasattr(model, "forward_intermediates"):
            raise ValueError(f"{self.what} does not give feature maps; take another backbone")
        if any(isinstance(part, PatchDropout | PatchDropoutWithIndices) for part in model.modules()):
            raise ValueError(
                f"{self.what} drops patches by itself (patch_drop_rate): leave it out, corruption= hides some"
            )
        self.patches = timm_tokens.patches_of(model, grid)
        self._choose(model)
        for head in _heads(model):
            head.requires_grad_(False)
        return model

    def _created(self, grid: GridSpec) -> nn.Module:
        fitting = {"img_size": grid.shape, "dynamic_img_size": True}
        fixed = {"in_chans": grid.channels, "num_classes": 0}
        return create(timm.create_model, self.name, self.options, fitting, **fixed)

    def _taken(self, user_module: UserModule, grid: GridSpec) -> nn.Module:
        model: Any = user_module.take()
        stem = getattr(model, "patch_embed", None)
        if hasattr(model, "set_input_size") and getattr(stem, "img_size", grid.shape) != grid.shape:
            model.set_input_size(img_size=grid.shape)
        return model

    def _choose(self, model: Any) -> None:
        """What becomes of masked patches.

        Raises:
            ValueError: the model cannot do what is asked for.
        """
        masked = self.masked or ("keep" if self.patches is None else "drop")
        if masked != "keep" and self.patches is None:
            raise ValueError(
                f"encoder.masked={masked}: {self.what} is no vision transformer whose tokens can be left out or "
                f"replaced: set encoder.masked=keep, which sees masked places as they are filled, or take a ViT"
            )
        self.skips, self.sees_masked, self.sees_filling = masked == "drop", masked != "drop", masked == "keep"
        self.mask_token = nn.Parameter(torch.randn(model.embed_dim) * 0.02) if masked == "token" else None
        self.blocks = 1 if self.patches is None else len(model.blocks)
        self.depth = self.blocks if type(model).__name__ != "Eva" and self.patches is not None else 0

    def _refusal(self, cells: tuple[int, ...], why: str) -> str:
        """See ``OutsideEncoder``; what to set, too."""
        side = getattr(getattr(self.model, "patch_embed", None), "patch_size", None)
        if side is None or not any(n % s for n, s in zip(cells, side, strict=True)):
            advice = f"take another backbone, another data.size, or in_chans={self._channels} for an object"
            return f"{super()._refusal(cells, why)}: {advice}"
        fits = [s for s in range(1, min(cells) + 1) if not any(n % s for n in cells)]
        return (
            f"{self.what} cuts images into patches of {' x '.join(map(str, side))}, which do not divide {cells} cells: "
            f"set encoder.options.patch_size to one of {fits}, or the size of the data or of the views to a multiple "
            f"of {side[0]}"
        )

    def check_mask(self, cell: Sequence[int] | None) -> None:
        """See ``Encoder``."""
        check_cell(self.patches, cell if self.skips else None)

    def features(self, x: Tensor) -> Tensor:
        """Last feature map, (B, D, h, w)."""
        norm = type(self.model).__name__ not in _WITHOUT_NORM
        return self._model.forward_intermediates(x, indices=1, norm=norm, intermediates_only=True)[-1]

    def encode(self, name: str, view: View, last: int) -> Latent:
        """Encode one view; ``last``: see ``Encoder``."""
        return super().encode(name, view, last) if self.patches is None else self._by_tokens(name, view, last)

    def enter(self, name: str, view: View) -> Latent:
        """All tokens, those of the model's own first; masked ones are not valid where it does not see them."""
        found, seen = self._entered(name, view, dense=True)
        return Latent(found.tokens, found.tokens.mean(1), seen.coords, self._attended(seen), seen.dense_shape)

    def step(self, block: int, latent: Latent) -> Latent:
        """Tokens out of a block."""
        found = timm_tokens.Sequence(latent.tokens, None)
        return latent._replace(tokens=timm_tokens.step(self.model, block, found, latent.valid).tokens)

    def leave(self, latent: Latent) -> Latent:
        """The patches' tokens through the last norm."""
        first = self._model.num_prefix_tokens
        valid = None if latent.valid is None else latent.valid[:, first:]
        tokens = self._model.norm(latent.tokens)[:, first:]
        return latent._replace(tokens=tokens, pooled=masked_mean(tokens, valid), valid=valid)

    def layers(self) -> list[list[nn.Parameter]]:
        """The layers as timm counts them; the view embedding and the mask token belong to the stem."""
        if not hasattr(self.model, "group_matcher"):
            return super().layers()
        idle = {p for head in _heads(self._model) for p in head.parameters()}
        found = group_parameters(self.model, self._model.group_matcher(coarse=False), return_values=True).values()
        stem, *blocks = [layer for some in found if (layer := [p for p in some if p not in idle])]
        own = [*cast(nn.Module, self.view).parameters(), *([] if self.mask_token is None else [self.mask_token])]
        layers = [[*own, *stem], *blocks]
        layers[-1] += idle
        return layers

    @property
    def _model(self) -> Any:
        return self.model

    def _by_tokens(self, name: str, view: View, last: int) -> Latent:
        """A transformer's latent of a view."""
        found, seen = self._entered(name, view, self.dense)
        valid, first = self._attended(seen), self._model.num_prefix_tokens
        averaged = []
        for block in range(self.blocks):
            found = timm_tokens.step(self.model, block, found, valid)
            if last > 1 and block >= self.blocks - last:
                averaged.append(F.layer_norm(found.tokens, found.tokens.shape[-1:]))
        tokens = torch.stack(averaged).mean(0) if averaged else self._model.norm(found.tokens)
        tokens = tokens[:, first:]
        return Latent(tokens, masked_mean(tokens, seen.valid), seen.coords, seen.valid, seen.dense_shape)

    def _entered(self, name: str, view: View, dense: bool) -> tuple[timm_tokens.Sequence, Visible]:
        """What goes into the first block, and which patches those are."""
        assert self.patches is not None
        masked, seen = None, view
        if not self.skips:
            seen = view._replace(mask=None, cell=None, visible=None)
            masked = None if self.mask_token is None or view.mask is None else self.patches.wholly(view.mask)
        shown = visible(self.patches, seen, dense)
        found = timm_tokens.embed_patches(self.model, self.given(name, view), masked, self.mask_token)
        found = found if shown.index is None else timm_tokens.keep(self.model, found, shown.index)
        return timm_tokens.enter(self.model, found), shown

    def _attended(self, seen: Visible) -> Tensor | None:
        """Which tokens are attended to, the model's own among them."""
        if seen.valid is None:
            return None
        return F.pad(seen.valid, (self._model.num_prefix_tokens, 0), value=True)


def _heads(model: Any) -> list[nn.Module]:
    """What of a model makes classes of features, which is not used here."""
    found = model.get_classifier()
    found = found if isinstance(found, tuple | list) else (found,)
    heads = (*found, *(getattr(model, name, None) for name in ("head", "fc_norm", "attn_pool")))
    return [head for head in heads if isinstance(head, nn.Module)]
