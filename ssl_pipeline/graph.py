"""The graph of corruptions, encoders, one latent, decoders and energies: a plain module that any loop can train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.deal import Deal, deal
from ssl_pipeline.decoders import Decoder
from ssl_pipeline.encoders import Encoder
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.latent import Consensus, Slots, Tokens
from ssl_pipeline.layers import Standardise
from ssl_pipeline.objective import Objective, PredictTokens, Reconstruct, State, Targets, Term
from ssl_pipeline.records import Batch, Latent, View, as_float, clean_view, intact
from ssl_pipeline.seeding import generator
from ssl_pipeline.teacher import Teacher
from ssl_pipeline.topology import CLEAN, CONSENSUS, Edge, check, latent_node, teacher_node, view_node, view_of


class Views(NamedTuple):
    """A batch, clean and damaged, in the data's units."""

    clean: View
    views: Mapping[str, View]
    deal: Deal
    source: Tensor  # (B,) what each sample was taken from


class Graph(nn.Module):
    """All forms of a sample, and what connects them.

    Args:
        grid: grid of the clean samples.
        corruptions: one a view, by the view's name.
        encoder: shared by all views.
        latent: format of the common latent.
        decoder: makes the decoder to one target, called with its ``grid`` and the number of parameters it is ``told``.
        objective: the energies.
        teacher: makes the slow copy of the modules that it is given by name; None: the encoder is its own teacher.
        standardise: from the data's units to those of the networks.
        views_per_step: views that each sample passes in a step, or ``all``.
        allow_collapse: accept an objective that nothing keeps from collapsing.

    Raises:
        ValueError: see ``topology.check``; views of different grids; pairs that never meet; a decoder that the latent
            cannot feed.
    """

    def __init__(
        self,
        *,
        grid: GridSpec,
        corruptions: Mapping[str, Corruption],
        encoder: Encoder,
        latent: Tokens | Slots,
        decoder: Callable[..., Decoder],
        objective: Objective,
        standardise: Standardise,
        teacher: Callable[[Mapping[str, nn.Module]], Teacher] | None = None,
        views_per_step: int | str = "all",
        allow_collapse: bool = False,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.corruptions = dict(corruptions)
        self.encoder, self.objective = encoder, objective
        self.latent: Tokens | Slots = latent
        self.standardise = standardise
        n = len(self.corruptions)
        for corruption in self.corruptions.values():
            encoder.shape_of(corruption.output_grid.shape)  # refuses now what it would refuse in the first step
        self.views_per_step = n if views_per_step == "all" else int(views_per_step)
        names, consensus = tuple(self.corruptions), latent.fuse is not None
        self.edges = objective.edges(names, consensus)
        edges = [edge for group in self.edges.values() for edge in group]
        self.students, self.taught = _who_sees(names, edges, consensus)
        self.nodes: dict[str, tuple[str, ...]] = {CLEAN: ()}
        self.nodes |= {view_node(v): (CLEAN,) for v in names}
        self.nodes |= {latent_node(v): (view_node(v),) for v in self.students}
        self.nodes |= {teacher_node(v): (view_node(v),) for v in self.taught}
        if consensus:
            self.nodes[CONSENSUS] = tuple(latent_node(v) for v in names)
        check(self.nodes, edges, allow_collapse)
        self._check_views(consensus)
        targets = dict.fromkeys(e.target for e in edges if e.target == CLEAN or e.target.startswith("view/"))
        self.decoders = nn.ModuleDict({view_of(t): self._decoder(decoder, t) for t in targets})
        if teacher is not None and not self.taught:
            raise ValueError("the objective predicts no teacher: set teacher=none, or add a term that does: byol")
        self.teacher = None if teacher is None else teacher(self._learners())

    def damage(self, batch: Batch, seed: int = 0, step: int = 0, rank: int = 0, *, whole: bool = False) -> Views:
        """Views of a batch, a pure function of it and (seed, step, rank); ``whole``: all samples in all views."""
        clean = clean_view(self.grid, as_float(batch.x, self.grid), batch.valid)
        device, size = clean.x.device, len(clean.x)
        m = len(self.corruptions) if whole else self.views_per_step
        dealt = deal(tuple(self.corruptions), m, size, device, seed, step, rank)
        views = {}
        for name, corruption in self.corruptions.items():
            start = clean._replace(
                x=dealt.of(clean.x, name), valid=None if clean.valid is None else dealt.of(clean.valid, name)
            )
            views[name] = corruption(start, generator(device, seed, step, rank, name))
        return Views(clean, views, dealt, batch.source)

    def forward(self, damaged: Views) -> dict[str, Tensor]:
        """Energies by edge, and their weighted sum as ``loss``."""
        clean, views = self._standard(damaged.clean), self.standard(damaged)
        latents = self.encode({name: views[name] for name in self.students})
        springs = None
        if self.latent.fuse is not None:
            consensus = self._consensus(latents, clean)
            springs = consensus.springs
            latents[CONSENSUS] = Latent(consensus.tokens, consensus.tokens.mean(1))
        state = State(
            clean,
            views,
            damaged.source,
            latents,
            damaged.deal,
            self.decoders,
            lambda name: self.told(name, views[name]),
            self._targets(views, latents),
        )
        energies = self.objective(state, self.edges)
        if springs is not None:
            energies |= {"loss": energies["loss"] + springs, "springs": springs}
        return energies

    def encode(self, views: Mapping[str, View]) -> dict[str, Latent]:
        """Latents of standardised views."""
        return {name: self.latent(latent) for name, latent in self.encoder(views).items()}

    def standard(self, damaged: Views) -> dict[str, View]:
        """The views as the encoder takes them."""
        return {name: self._standard(view) for name, view in damaged.views.items()}

    def embed(
        self,
        x: Shaped[Tensor, "B ..."],
        valid: Bool[Tensor, "B *grid"] | None = None,
        view: str = "unknown",
        teacher: bool = False,
    ) -> Float[Tensor, "B D"]:
        """Embeddings of samples, uint8 or in the data's units; what is not ``valid`` is padding.

        Args:
            x: samples.
            valid: False = padding.
            view: the damage that they have suffered.
            teacher: embed with the teacher's slow copy of the encoder.

        Raises:
            ValueError: the graph has no teacher of its own.
        """
        if teacher and self.teacher is None:
            raise ValueError("this graph has no teacher of its own: train with teacher=ema, or set teacher=False")
        clean = self._standard(clean_view(self.grid, as_float(x, self.grid), valid))
        encoder, latent = self._teaching() if teacher else (self.encoder, self.latent)
        return latent(encoder({view: clean})[view]).pooled

    def restore(self, name: str, view: View) -> Tensor:
        """The clean form of a view in the data's units, as the graph's decoder gives it everywhere.

        Raises:
            ValueError: no decoder leads to the clean form.
        """
        if CLEAN not in self.decoders:
            raise ValueError("this graph has no decoder to the clean form: train with objective=...+reconstruct")
        decoder: Decoder = self.decoders[CLEAN]  # pyright: ignore[reportAssignmentType]
        patches = decoder.generate(self.encode({name: self._standard(view)})[name])
        if self.grid.discrete:
            return patches.argmax(-1).unflatten(1, self.grid.shape)
        return self.standardise.inverse(decoder.patches.join(patches.float()))

    def told(self, name: str, view: View) -> Tensor | None:
        """Parameters of a view's corruption, (B, k), as a decoder to that view is told them."""
        told = self.corruptions[name].told
        return torch.stack([view.params[key].float() for key in told], dim=1) if told else None

    def follow(self, progress: float = 0.0) -> None:
        """Let the teacher follow; to be called after each step of the optimiser.

        Args:
            progress: of the training, from 0 to 1.
        """
        if self.teacher is not None:
            self.teacher.follow(self._learners(), progress)

    def start_teacher(self) -> None:
        """Let the teacher be as the encoder is; after its weights were set."""
        if self.teacher is not None:
            self.teacher.start(self._learners())

    def _learners(self) -> dict[str, nn.Module]:
        """The modules of which a teacher has copies."""
        terms: dict[str, Term] = dict(self.objective.terms.items())  # pyright: ignore[reportAssignmentType]
        heads = {f"head_{name}": term.taught for name, term in terms.items() if term.taught is not None}
        return {"encoder": self.encoder, "latent": self.latent, **heads}

    @torch.no_grad()
    def _targets(self, views: Mapping[str, View], latents: Mapping[str, Latent]) -> Targets:
        """What the teacher says of the views that it sees, their holes filled with what stood there."""
        encoder, latent = self._teaching()
        same = latents if self.teacher is None else {}
        known = {name: same[name] for name in self.taught if name in same and views[name].removed is None}
        # A view without its holes is none that the encoder is told of.
        names = {name: name if views[name].removed is None else f"unmasked {name}" for name in self.taught}
        rest = {names[name]: intact(views[name]) for name in self.taught if name not in known}
        found = encoder.targets(rest, 1 if self.teacher is None else self.teacher.layers) if rest else {}
        seen = {name: latent(found[names[name]]) for name in self.taught if name not in known}
        return Targets({**known, **seen}, self._head)

    def _teaching(self) -> tuple[Encoder, nn.Module]:
        """Encoder and latent that say what is to be predicted."""
        parts = self._learners() if self.teacher is None else self.teacher.copies
        return parts["encoder"], parts["latent"]  # pyright: ignore[reportReturnType]

    def _head(self, head: nn.Module) -> nn.Module:
        """The teacher's copy of a term's head."""
        if self.teacher is None:
            return head
        return next(self.teacher.copies[name] for name, module in self._learners().items() if module is head)

    def relax(self, damaged: Views) -> Consensus:
        """The consensus of a batch with the energy along the way down.

        Raises:
            ValueError: the latent has no consensus.
        """
        return self._consensus(self.encode(self.standard(damaged)), self._standard(damaged.clean))

    def _consensus(self, latents: Mapping[str, Latent], clean: View) -> Consensus:
        if self.latent.fuse is None:
            raise ValueError("views keep latents of their own: set latent=slots latent.fuse=mean or relaxed")
        return self.latent.fuse([latent.tokens for latent in latents.values()], self._explains(clean))

    def _explains(self, clean: View) -> Callable[[Tensor], Tensor] | None:
        """How badly a latent (B, K, D) explains the clean sample, (B,); None without a decoder to it."""
        terms = [t for t in self.objective.terms.values() if isinstance(t, Reconstruct) and t.target == CLEAN]
        if not terms:
            return None
        decoder: Decoder = self.decoders[CLEAN]  # pyright: ignore[reportAssignmentType]
        energy, weight, target = terms[0].energy, terms[0].weight, decoder.patches.split(clean.x)
        real = torch.ones_like(clean.x[:, :1] if not self.grid.discrete else clean.x, dtype=torch.bool)
        real = real if clean.valid is None else clean.valid.view_as(real)
        if energy.whole:
            x = clean.x * real
            return lambda z: weight * energy.per_sample(decoder.patches.join(decoder(Latent(z, z.mean(1)))) * real, x)
        share = decoder.patches.split(real).float().mean(-1)

        def explains(z: Tensor) -> Tensor:
            error = energy.per_place(decoder(Latent(z, z.mean(1)), target=target), target)
            return weight * (error * share).sum(1) / share.sum(1).clamp(min=1e-6)

        return explains

    def _standard(self, view: View) -> View:
        unmasked = None if view.unmasked is None else self.standardise(view.unmasked)
        return view._replace(x=self.standardise(view.x), unmasked=unmasked)

    def _check_views(self, consensus: bool) -> None:
        names, n, terms = tuple(self.corruptions), len(self.corruptions), self.objective.terms
        for name, term in terms.items():
            if isinstance(term, Reconstruct) and term.energy.discrete != self.grid.discrete:
                kind, other = ("symbols", "cross_entropy") if self.grid.discrete else ("numbers", "reconstruct")
                raise ValueError(f"objective={name} does not compare {kind}, which this data is made of: take {other}")
        if consensus and self.views_per_step < n:
            raise ValueError("latent.fuse needs every view of a sample: set views_per_step=all")
        for view in self.taught:
            if not self.corruptions[view].knows_holes:
                raise ValueError(
                    f"the teacher sees {view} without its holes, and what stood in them is not known after a later "
                    f"damage: name the mask last, such as corruption=noise-mask"
                )
        for name, term in terms.items():
            for view in term.covered(names) if isinstance(term, PredictTokens) else ():
                if (shape := self.corruptions[view].output_grid.shape) != self.grid.shape:
                    raise ValueError(
                        f"objective.{name} predicts the tokens of views of the clean grid's shape {self.grid.shape}, "
                        f"and {view} is {shape}: set objective.{name}.views to the others"
                    )
        pairs = [name for name, term in terms.items() if term.compares_views]
        some = [name for name in pairs if terms[name].views is not None]
        if some and self.views_per_step < n:
            raise ValueError(
                f"objective.{some[0]}.views names some views, of which a sample may pass none: set views_per_step=all"
            )
        if pairs and n > 1 and self.views_per_step == 1:
            raise ValueError(
                "an objective that compares views needs two views of a sample: set views_per_step=2 or more"
            )

    def _decoder(self, decoder: Callable[..., Decoder], target: str) -> Decoder:
        corruption = self.corruptions.get(view_of(target))
        grid, told = (self.grid, 0) if corruption is None else (corruption.output_grid, len(corruption.told))
        made = decoder(grid=grid, told=told)
        holes = [name for name, c in self.corruptions.items() if c.removes and not self.encoder.sees_holes]
        if made.needs_grid and (holes or not self.latent.keeps_grid):
            why = f"the encoder leaves out the holes of {', '.join(holes)}" if holes else "slots do not"
            raise ValueError(
                f"the decoder to {target} needs a latent that covers the grid, and {why}: "
                f"set decoder=query, or encoder=conv with latent=tokens"
            )
        sizes = {name: c.output_grid.shape for name, c in self.corruptions.items()}
        if made.needs_grid and (other := [name for name, shape in sizes.items() if shape != self.grid.shape]):
            raise ValueError(
                f"the decoder to {target} needs views of the clean grid's shape {self.grid.shape}, and {other[0]} is "
                f"{sizes[other[0]]}: set decoder=query, or its size so"
            )
        return made


def _who_sees(views: Sequence[str], edges: Sequence[Edge], consensus: bool) -> tuple[list[str], list[str]]:
    """The views that the encoder sees, those that no energy wants among them, and those that the teacher sees."""
    ends = {end for edge in edges for end in (edge.source, edge.target)}
    taught = [view for view in views if teacher_node(view) in ends]
    only = [view for view in taught if latent_node(view) not in ends and not consensus]
    return [view for view in views if view not in only], taught
