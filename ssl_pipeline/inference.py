"""A trained graph at work: raw samples in, embeddings or restored samples out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.datasets import Codec
from ssl_pipeline.graph import Graph
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.models import UNKNOWN, Part, Translator, make

Samples = Tensor | np.ndarray | Sequence[Any]


class Model:
    """A trained graph in evaluation mode, with the run's own normalisation inside: raw samples in, raw samples out.

    Args:
        graph: the trained graph.
        config: the run's configuration.
        codec: of the run's data, where it has one.
        held: the one part that an exported folder holds, as ``part`` takes it, with its view; None: everything.
        data: name of the data set that the graph is of, in a run on several.
        trust: packages whose classes its configuration was allowed to name.
    """

    def __init__(
        self,
        graph: Graph,
        config: dict[str, Any],
        codec: Codec | None = None,
        held: tuple[str, str | None] | None = None,
        data: str | None = None,
        trust: tuple[str, ...] = (),
    ) -> None:
        self.graph = graph.eval()
        self.config = config
        self.codec = codec
        self.held = held
        self.data = data
        self.trust = trust
        self._parts: dict[tuple[str, str], Part] = {}

    @property
    def grid(self) -> GridSpec:
        """Grid of the samples it takes."""
        return self.graph.grid

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the damages that it knows."""
        return tuple(self.graph.corruptions)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.graph.parameters()).device

    def to(self, device: str | torch.device) -> Model:
        """The same model on another device."""
        self.graph.to(device)
        for part in self._parts.values():
            part.to(device)
        return self

    def part(self, name: str | None = None, view: str | None = None) -> Part:
        """One of the models in it as a module, which shares its weights.

        Args:
            name: ``encoder``, ``teacher``, ``decoder``, ``restorer:VIEW``, ``translator:VIEW-VIEW``, ``front@CUT`` or
                ``back@CUT``; None for the one that an exported folder holds.
            view: the damage that the samples of an encoder or of halves have suffered; None for ``unknown``.

        Raises:
            ValueError: no such part, or it is not held here.
        """
        if self.held is not None and name is None:
            name, view = self.held
        if name is None:
            raise ValueError("this run holds many models: name a part, such as encoder or front@latent")
        if self.held is not None and (name, view or UNKNOWN) != (self.held[0], self.held[1] or UNKNOWN):
            held, asked = (f"{part} (view {of or UNKNOWN})" for part, of in (self.held, (name, view)))
            raise ValueError(f"this folder holds the part {held} alone, not {asked}: export that part from the run")
        if (name, view or UNKNOWN) not in self._parts:
            self._parts[name, view or UNKNOWN] = make(self.graph, name, view)
        return self._parts[name, view or UNKNOWN]

    def embed(
        self,
        x: Samples,
        valid: Tensor | None = None,
        batch_size: int = 500,
        teacher: bool = False,
        view: str = UNKNOWN,
        removed: Tensor | None = None,
    ) -> Tensor:
        """Embeddings (B, D) of raw samples.

        Args:
            x: (B, C, *grid) uint8 or floats in the grid's range, or (B, *grid) int64 on a discrete grid, as array or
                tensor; or a list of what the run's data is made of: texts, waveforms, paths of sound files.
            valid: (B, *grid) bool, False = padding; None: there is none, or, with a list, it is found.
            batch_size: samples in a pass.
            teacher: embed with the slow copy of the encoder, of a run with ``teacher=ema``.
            view: the damage that the samples have suffered, ``unknown`` for none or another than those of the run.
            removed: (B, *grid) bool, True = in a hole, of a view with holes.

        Raises:
            ValueError: the samples do not lie on the model's grid, a list is given and the run's data has no codec, or
                there is no teacher.
        """
        return self._run(self.part("teacher" if teacher else "encoder", view), batch_size, x, removed, valid)

    def restore(
        self,
        x: Samples,
        view: str,
        removed: Tensor | np.ndarray | None = None,
        valid: Tensor | None = None,
        batch_size: int = 500,
    ) -> Tensor:
        """The clean form of damaged samples: the inverse of a corruption, given what is known of it.

        Args:
            x: see ``embed``.
            view: the damage that they have suffered.
            removed: (B, *grid) bool, True = in a hole, of a view with holes, whatever stands in them; of symbols None
                for where the symbol of a hole stands.
            valid: see ``embed``.
            batch_size: samples in a pass.

        Returns:
            (B, C, *grid) floats in the data's units, which may lie a little beside its range, or (B, *grid) symbols.

        Raises:
            ValueError: see ``embed``; no decoder has learned it; it is not known where the holes are.
        """
        return self._run(self.part(f"restorer:{view}"), batch_size, x, removed, valid)

    def translate(
        self,
        x: Samples,
        view: str,
        to: str,
        removed: Tensor | np.ndarray | None = None,
        valid: Tensor | None = None,
        batch_size: int = 500,
        **told: float | Tensor,
    ) -> Tensor:
        """Samples of one damage as they would be of another.

        Args:
            x: see ``embed``.
            view: the damage that they have suffered.
            to: the damage that they are to suffer.
            removed: see ``restore``.
            valid: see ``embed``.
            batch_size: samples in a pass.
            told: what that damage is told of itself, one number or (B,): ``factor=2``, ``sigma=0.1``; of a chain
                ``**{"lowres.factor": 2}``.

        Returns:
            See ``restore``.

        Raises:
            ValueError: see ``restore``; a parameter too few or too many.
        """
        part = Translator(self.graph, view, to) if self.held is None else self.part(f"translator:{view}-{to}")
        wanted = self.graph.corruptions[to].told
        if set(told) != set(wanted):
            raise ValueError(
                f"a translation to {to} is told {', '.join(f'{name}=...' for name in wanted) or 'nothing'}, "
                f"got {', '.join(told) or 'nothing'}"
            )
        return self._run(part, batch_size, x, removed, valid, [told[name] for name in wanted])

    def split(self, at: str = "latent", view: str = UNKNOWN) -> tuple[Part, Part]:
        """Two halves, each the other's inverse: from samples to what passes a cut, and from there to the clean form.

        Args:
            at: ``latent``, ``encoder.NUMBER`` or ``decoder.NUMBER``, the block after which it is cut.
            view: the damage that the samples have suffered.

        Raises:
            ValueError: no such cut or view; no decoder leads to the clean form.
        """
        return self.part(f"front@{at}", view), self.part(f"back@{at}", view)

    @torch.no_grad()
    def _run(
        self,
        part: Part,
        batch_size: int,
        x: Samples,
        removed: Tensor | np.ndarray | None,
        valid: Tensor | None,
        told: Sequence[float | Tensor] = (),
    ) -> Tensor:
        """What a part gives of raw samples, batch by batch, on the model's device.

        Raises:
            ValueError: they do not lie on the grid of the part's view, or what is known of them is not one a sample.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: expected at least 1")
        if isinstance(x, (list, tuple)):
            if self.codec is None:
                raise ValueError("expected samples as one array or tensor, got a list: stack them")
            x, valid = self.codec.encode(x)
        x = torch.as_tensor(x)
        fits(x, part.source.grid)  # pyright: ignore
        numbers = [torch.as_tensor(one, dtype=torch.float32).expand(len(x)) for one in told]
        known = {"removed": removed, "valid": valid, "told": torch.stack(numbers, dim=1) if numbers else None}
        rows = {"x": x, **{name: torch.as_tensor(some) for name, some in known.items() if some is not None}}
        if uneven := [f"{name} {len(some)}" for name, some in rows.items() if len(some) != len(x)]:
            raise ValueError(f"expected as many of each as there are samples ({len(x)}), got {', '.join(uneven)}")
        for name in {"removed", "valid"} & rows.keys():
            wanted = (len(x), *x.shape[-self.grid.ndim :])
            if tuple(rows[name].shape) != wanted or rows[name].dtype != torch.bool:
                found = f"{tuple(rows[name].shape)} {rows[name].dtype}"
                raise ValueError(f"expected {name} of shape {wanted} and bool, got {found}: one truth a cell")
        device, parts = self.device, []
        for start in range(0, max(1, len(x)), batch_size):
            batch = {name: some[start : start + batch_size].to(device) for name, some in rows.items()}
            parts.append(part(**batch))
        return torch.cat(parts)


def fits(x: Tensor, grid: GridSpec) -> None:
    """Refuse samples that do not lie on a grid.

    Raises:
        ValueError: another number of axes, cells, channels, or values far beside the range; says what to do.
    """
    wanted = grid.shape if grid.discrete else (grid.width, *grid.shape)
    if tuple(x.shape[1:]) != wanted:
        advice = "resize or reshape them"
        if x.ndim == len(wanted) + 1 and not grid.discrete and tuple(x.shape[2:]) == grid.shape:
            few = x.shape[1] == 1
            advice = f"repeat the channel {grid.width} times" if few else f"mix them down to {grid.width}"
        raise ValueError(f"expected samples of shape {('B', *wanted)}, got {tuple(x.shape)}: {advice}")
    if not grid.discrete and not x.is_floating_point() and x.dtype != torch.uint8:
        raise ValueError(f"expected uint8 or floats in {grid.range}, got {x.dtype}: convert them")
    if grid.discrete and x.is_floating_point():
        raise ValueError(f"expected symbols as int64, got {x.dtype}: convert them")
    if not grid.discrete and x.is_floating_point() and x.numel() and float(x.max()) > 8 * max(map(abs, grid.range)):
        raise ValueError(f"expected floats in {grid.range}, got up to {float(x.max()):g}: pass uint8, or divide by 255")
