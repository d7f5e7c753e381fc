"""A world model: what is seen and what is done lead to what comes next, in the latent and, from there, to be seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import MSE, ReconstructionLoss
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.reconstruction import Wanted, compare_decoded, default_loss
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.nodes import Edge, Node
from ssl_pipeline.utils.errors import nearest


@register("objective", "world_model", parts={"model": "transition", "loss": "loss"})
class WorldModel(Term):
    """From the latent of an observation, action by action, to the latents of the next ones and to themselves.

    The model goes on from its own latents over all steps that the data hold (Dreamer, arXiv 1912.01603; TD-MPC2,
    arXiv 2310.16828). What it is to reach is what the teacher, or the encoder without a gradient, says of each next
    observation; that the latent holds what can be seen is what decoding does for it.

    Args:
        model: the map from tokens and an action to tokens: a part that is bound to the latent's width and the action's
            grid, such as ``ActionTrunk()``, or a function of the two.
        loss: between the tokens that are reached and those that were to be; None: their squared error.
        seen: whether observations are decoded from the latents that are reached, and compared.
        action: column of the actions.
        next: column of what follows each of them, on the grid of the samples.
        weight: factor of the term.
        views: views to start from; None for all.

    Raises:
        ValueError: the data have no such columns, or what comes next is another kind of thing.
    """

    def __init__(
        self,
        *,
        model: Bindable | Callable[..., nn.Module],
        loss: ReconstructionLoss | None = None,
        seen: bool = True,
        action: str = "action",
        next: str = "next",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        self.make, self.loss, self.decodes = model, loss or MSE(), seen
        self.action, self.next, self.needs = action, next, (action,)

    def make_heads(self, info: GraphInfo) -> None:
        """The model.

        Raises:
            ValueError: the data have no such columns, or what comes next is another kind of thing.
        """
        action, next = self.action, self.next
        for column in (action, next):
            if column not in info.columns:
                raise ValueError(
                    f"a transition needs the columns {action} and {next}, and this data has no {column!r}; "
                    f"{nearest(column, info.columns)}"
                )
        if info.columns[next] != info.grid:
            raise ValueError(f"a transition leads from observations to such ones, and {next} lies on another grid")
        make = self.make.bind if isinstance(self.make, Bindable) else self.make
        self.model: nn.Module = make(info.latent, grid=info.columns[action])  # pyright: ignore[reportAttributeAccessIssue]
        self.seen = default_loss(info.grid) if self.decodes else None

    def connect(self, info: GraphInfo) -> list[Edge]:
        """From each view to the teacher's latents of the next observations and, decoded, to them."""
        found = []
        for view in self.covered(info.views):
            start = (Node.latent(view),)
            found.append(Edge(f"{self.name}/{view}", start, Node.teacher(self.next), True, False))
            if self.seen is not None:
                found.append(Edge(f"{self.name}/{view}>{self.next}", start, Node.view(self.next), False, True))
        return found

    def forward(self, state: State) -> dict[str, Tensor]:
        """Roll out from each view; compare at every step."""
        losses = {}
        starts = dict.fromkeys(edge.source.name for edge in self.edges)
        reached = {view: self._reached(state, view) for view in starts}
        for edge in self.edges:
            view = edge.source.name
            if edge.target == Node.teacher(self.next):
                wanted = self._steps(state, view, state.targets.latents[self.next].tokens, self.next)
                losses[edge.name] = self.loss(reached[view], wanted.flatten(0, 1).detach())
            else:
                losses[edge.name] = self._seen(state, view, reached[view])
        return losses

    def _reached(self, state: State, view: str) -> Tensor:
        """Tokens after each step, (B * steps, N, D)."""
        path = self.rollout(state.latents[view], self._steps(state, view, state.views[self.action].x, self.action))
        return torch.stack([latent.tokens for latent in path], dim=1).flatten(0, 1)

    def _seen(self, state: State, view: str, reached: Tensor) -> Tensor:
        """Energy between what is decoded after each step and what was seen then."""
        assert self.seen is not None
        decoder: Decoder = state.decoders[self.next]  # pyright: ignore[reportAssignmentType]
        next = state.views[self.next]
        found = [state.assignment.shared(rows, self.next, view) for rows in (next.x, next.valid) if rows is not None]
        return self.seen(*compare_decoded(decoder, Wanted(placed(reached, state.latents[view]), *found)))

    @staticmethod
    def _steps(state: State, view: str, rows: Tensor, column: str) -> Tensor:
        """Of a column's rows those of the samples that pass a view, (B, steps, ...)."""
        return state.assignment.shared(rows, column, view).unflatten(0, (len(state.latents[view].tokens), -1))

    def step(self, latent: Latent, action: Tensor) -> Latent:
        """The latent after a standardised action (B, ...)."""
        return placed(self.model(latent.tokens, action), latent)

    def rollout(self, latent: Latent, actions: Tensor) -> list[Latent]:
        """The latents after each of the standardised actions (B, steps, ...)."""
        found = []
        for action in actions.unbind(1):
            latent = self.step(latent, action)
            found.append(latent)
        return found


def placed(tokens: Tensor, like: Latent) -> Latent:
    """Tokens at the places of another latent, of which each row stands for as many that follow each other.

    Args:
        tokens: (B * k, N, D).
        like: of B rows; places may be shared by all.
    """
    coords, valid = like.coords, like.valid
    if coords is not None and len(coords) > 1:
        coords = coords.repeat_interleave(len(tokens) // len(coords), 0)
    if valid is not None:
        valid = valid.repeat_interleave(len(tokens) // len(valid), 0)
    return Latent(tokens, tokens.mean(1), coords, valid, like.dense_shape)
