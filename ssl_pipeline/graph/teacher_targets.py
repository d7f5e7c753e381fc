"""What the teacher says of the views that it sees, for the terms that predict it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ssl_pipeline.models.ema_teacher import EMATeacher
from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.objectives import Objective, Targets
from ssl_pipeline.structures.batch import Latent, View, unmasked_view


def learners(encoder: Encoder, latent: nn.Module, objective: Objective) -> dict[str, nn.Module]:
    """The modules of which a teacher has copies."""
    terms = dict(objective.named())
    heads = {f"head_{name}": term.teacher_head for name, term in terms.items() if term.teacher_head is not None}
    return {"encoder": encoder, "latent": latent, **heads}


@dataclass(frozen=True)
class Teaching:
    """The learners of a graph and their teacher.

    Args:
        learners: by name, as the function of that name gives them.
        teacher: their slow copy; None: they are their own teacher.
        views: those that the teacher sees.
    """

    learners: Mapping[str, nn.Module]
    teacher: EMATeacher | None
    views: Sequence[str]

    @property
    def parts(self) -> tuple[Encoder, nn.Module]:
        """Encoder and latent that say what is to be predicted."""
        said = self.learners if self.teacher is None else self.teacher.copies
        return said["encoder"], said["latent"]  # pyright: ignore[reportReturnType]

    @torch.no_grad()
    def targets(self, views: Mapping[str, View], latents: Mapping[str, Latent]) -> Targets:
        """What is to be predicted: the teacher sees its views without their masks.

        Args:
            views: standardised.
            latents: what the learning encoder has said of them, which is not computed twice where it is the teacher.
        """
        encoder, latent = self.parts
        same = latents if self.teacher is None else {}
        known = {name: _fixed(same[name]) for name in self.views if name in same and views[name].mask is None}
        # The encoder has no name for a view without its mask.
        names = {name: name if views[name].mask is None else f"unmasked {name}" for name in self.views}
        rest = {names[name]: unmasked_view(views[name]) for name in self.views if name not in known}
        found = encoder(rest, 1 if self.teacher is None else self.teacher.layers) if rest else {}
        seen = {name: latent(found[names[name]]) for name in self.views if name not in known}
        return Targets({**known, **seen}, self.head)

    def head(self, head: nn.Module) -> nn.Module:
        """The teacher's copy of a term's head."""
        if self.teacher is None:
            return head
        return next(self.teacher.copies[name] for name, module in self.learners.items() if module is head)

    def follow(self, progress: float) -> None:
        """Let the teacher follow, where there is one.

        Args:
            progress: of the training, from 0 to 1.
        """
        if self.teacher is not None:
            self.teacher.follow(self.learners, progress)

    def start(self, copies: Collection[str] | None = None) -> None:
        """Let the teacher be as the learners are, where there is one.

        Args:
            copies: names of the learners that it is to be like; None for all.
        """
        if self.teacher is not None:
            self.teacher.start({k: v for k, v in self.learners.items() if copies is None or k in copies})


def _fixed(latent: Latent) -> Latent:
    """Without the way back to the weights."""
    return latent._replace(tokens=latent.tokens.detach(), pooled=latent.pooled.detach(), finer=())
