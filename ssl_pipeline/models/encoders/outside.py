"""Models that were made elsewhere, behind the encoder's interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.conv import dense_latent
from ssl_pipeline.models.encoders.token_layout import layout_of, token_grid, valid_patches
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.layers.pooling import masked_mean
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec


class UserModule:
    """An object of the user's, for graphs to train: the first takes the object itself, later ones take a copy of it.

    Copies are as the object was when the first one took it, so a second graph is an untrained twin of the first.

    Args:
        module: the object.
        remembers: whether that was before the training, so that a copy is the untrained encoder.
    """

    def __init__(self, module: nn.Module, remembers: bool = True) -> None:
        self.module, self.remembers = module, remembers
        self.twin: nn.Module | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> UserModule:
        return self  # copies of an encoder that is not bound yet are still of the one object

    def take(self) -> nn.Module:
        """The object or a copy, with 32-bit weights in the processor's memory; whoever trains moves it on."""
        if self.twin is None:
            self.twin = deepcopy(self.module).to("cpu", torch.float32)
            return self.module.to("cpu", torch.float32)
        return deepcopy(self.twin)


class OutsideEncoder(Encoder):
    """A model of which one pass of an empty sample says what it returns, see ``ModuleEncoder``.

    The view's embedding is added to what it is given; views pass alone, so that batch statistics are a view's own.

    Args:
        view_drop: share of samples whose view is hidden from the encoder in training.
        prefix: tokens in front of those that stand for places; None: none or one, as they then fit the grid.

    Attributes:
        user_module: an object of the user's, where it is of one.
        layout: of three axes that it returns, ``channels_first`` or ``channels_last``; None: found out when bound.
    """

    sees_masked = sees_filling = True
    user_module: UserModule | None = None
    layout: str | None = "channels_last"

    def __init__(self, view_drop: float, prefix: int | None = None) -> None:
        super().__init__()
        self.view_drop, self.prefix = view_drop, prefix

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        self.ndim = grid.ndim
        self.view = None if grid.discrete else ViewEmbedding(views, grid.width, self.view_drop)
        self.model = self.make(grid).train()
        self.layout = self.layout or self._found_layout(grid.shape)
        empty = self._probed(grid.shape)
        self.width = self.embedding_width = empty.pooled.shape[1]
        self.dense_shape = empty.dense_shape

    @abstractmethod
    def make(self, grid: GridSpec) -> nn.Module:
        """The model for samples of a grid."""

    def features(self, x: Tensor) -> Any:
        """What the model says of (B, C, *cells): (B, D), (B, N, D) or (B, D, *shape), or something else."""
        return self.model(x)

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells, empty where they have no places."""
        return self._probed(cells).dense_shape or ()

    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name; there is one block to take tokens from."""
        return {name: self._checked(name, view, last) for name, view in views.items()}

    def encode(self, name: str, view: View, last: int) -> Latent:
        """Encode one view."""
        return self.latent_of(view, self.features(self.given(name, view)))

    def _checked(self, name: str, view: View, last: int) -> Latent:
        try:
            return self.encode(name, view, last)
        except AssertionError as error:  # with which timm refuses sizes
            raise ValueError(self._refusal(tuple(view.x.shape[-self.ndim :]), str(error))) from error

    def given(self, name: str, view: View) -> Tensor:
        """What the model is given of a view: symbols as they are, numbers with the view's embedding."""
        if self.view is None:
            return view.x
        known = self.view(name, view.x.shape[0])
        return view.x + known[(..., *(None,) * self.ndim)]

    def latent_of(self, view: View, out: Any) -> Latent:
        """The latent of what the model returned.

        Raises:
            ValueError: it returned something else than the three forms.
        """
        if not isinstance(out, Tensor) or out.ndim not in (2, 3, self.ndim + 2):
            got = f"{tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
            raise ValueError(
                f"{self.what} returns {got}: expected one tensor, (B, D), (B, N, D) or (B, D, "
                f"{', '.join('HWDT'[: self.ndim])}), so wrap it in a module that returns one of them"
            )
        if out.shape[0] != view.x.shape[0]:
            raise ValueError(
                f"{self.what} returns {tuple(out.shape)} for {view.x.shape[0]} samples: expected as many in its output"
            )
        if out.ndim == 2:
            return Latent(out.unsqueeze(1), out)
        if out.ndim == self.ndim + 2 != 3:
            return dense_latent(out, out.flatten(2).mean(2))
        out = out.transpose(1, 2) if self.layout == "channels_first" else out
        prefix, shape = token_grid(out.shape[1], view.coords.shape[1:-1], self.prefix)
        tokens = out[:, prefix:]
        valid = None if view.valid is None or shape is None else valid_patches(view.valid, shape)
        return Latent(tokens, masked_mean(tokens, valid), valid=valid, dense_shape=shape)

    def _probed(self, cells: Sequence[int]) -> Latent:
        """The latent of an empty sample of so many cells."""
        return self.latent_of(*self._passed(cells))

    @torch.no_grad()
    def _passed(self, cells: Sequence[int]) -> tuple[View, Any]:
        """An empty sample of so many cells, and what the model says of it; no statistics and no modes are changed.

        Raises:
            ValueError: the model refuses it.
        """
        modes = [(module, module.training) for module in self.modules()]
        weight = next(self.parameters(), torch.zeros(1))
        x = weight.new_zeros(1, *cells, dtype=torch.long)
        x = x if self.view is None else weight.new_zeros(1, self._channels, *cells)
        view = View(x, where := x.new_zeros(1, *cells, len(cells)), where)
        try:
            self.eval()
            return view, self.features(self.given("unknown", view))
        except Exception as error:  # whatever code of others raises
            kind = "" if isinstance(error, RuntimeError | AssertionError) else f"{type(error).__name__}: "
            raise ValueError(self._refusal(tuple(cells), kind + " ".join(str(error).split()))) from error
        finally:
            for module, training in modes:
                module.training = training

    def _found_layout(self, cells: tuple[int, ...]) -> str | None:
        """The layout of three axes, None of other forms.

        Raises:
            ValueError: it cannot be known.
        """
        out = self._passed(cells)[1]
        if not isinstance(out, Tensor) or out.ndim != 3:
            return None

        def others() -> Iterator[Sequence[int]]:
            for other in (tuple(n // 2 for n in cells), tuple(2 * n for n in cells)):
                with suppress(ValueError):
                    yield self._passed(other)[1].shape[1:]

        found = layout_of(out.shape[1:], others(), cells, self.prefix)
        if found is None:
            raise ValueError(
                f"{self.what} returns {tuple(out.shape)} for {cells} cells, either axis of which may be the tokens': "
                f"say sslp.ModuleEncoder(module, layout='channels_first') for (B, D, N), or 'channels_last' for "
                f"(B, N, D)"
            )
        return found

    @property
    def _channels(self) -> int:
        """Of the samples; 1 of symbols."""
        return 1 if self.view is None else self.view.table.shape[1]

    def _refusal(self, cells: tuple[int, ...], why: str) -> str:
        """The sentence for samples that the model does not take."""
        channels = "symbols" if self.view is None else f"{self._channels} channels"
        return f"{self.what} does not take samples of {channels} and {cells} cells ({why})"
