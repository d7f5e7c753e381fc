"""Symbol after symbol, each from the latent and from those before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.decoders.base import Decoder
from ssl_pipeline.models.layers import CausalBlock, Patches, pick, sincos
from ssl_pipeline.models.layers.attention import KeyValue
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.grid import GridSpec


@register("decoder", "autoregressive")
class AutoregressiveDecoder(Decoder):
    """Next-symbol decoder that attends to the latent (arXiv 1706.03762; from slots: arXiv 1511.06349).

    It learns from true symbols before each place and, in ``generate``, continues from its own. A strong one can do
    without the latent, which then learns little: ``token_drop`` and ``context`` keep symbols from it.

    Args:
        width: width of its places.
        depth: number of blocks.
        heads: attention heads; must divide ``width``.
        token_drop: share of the symbols before a place that are blank in training (word dropout, arXiv 1511.06349).
        context: number of symbols before a place that it sees; None for all, 0 for none: all places at once.

    Raises:
        ValueError: a grid that is no line of symbols; ``token_drop`` outside [0, 1]; a negative ``context``.
    """

    needs_grid = False
    causal = True
    code: Tensor

    def __init__(
        self,
        *,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        token_drop: float = 0.0,
        context: int | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= token_drop <= 1:
            raise ValueError(f"decoder.token_drop={token_drop}: expected a share between 0 and 1")
        if context is not None and context < 0:
            raise ValueError(f"decoder.context={context}: expected a number of symbols, or null for all of them")
        self.causal = context != 0
        self.width, self.layers, self.heads, self.token_drop, self.context = width, depth, heads, token_drop, context

    def setup(
        self,
        grid: GridSpec,
        latent_width: int,
        dense_shape: tuple[int, ...] | None = None,
        n_params: int = 0,
        finer: Sequence[GridSpec] = (),
    ) -> None:
        """See ``Decoder``."""
        if grid.vocab is None or grid.ndim != 1:
            kind = "symbols" if grid.discrete else "numbers"
            raise ValueError(
                f"the autoregressive decoder needs a line of symbols, got {kind} along {', '.join(grid.names)}: "
                f"take decoder=cross_attention"
            )
        width = self.width
        self.patches = Patches(grid, 1)
        self.end = grid.end_token
        axis = grid.axes[0]
        self.register_buffer("code", sincos(grid.coordinates() / axis.spacing, width), persistent=False)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.lookup = nn.Embedding(grid.vocab, width) if self.causal else None
        self.blank = nn.Parameter(torch.randn(width) * 0.02) if self.causal and self.token_drop else None
        self.params = nn.Linear(n_params, width) if n_params else None
        spans = windows(self.context, self.layers)
        self.blocks = nn.ModuleList(CausalBlock(width, latent_width, self.heads, span) for span in spans)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, grid.vocab)

    def forward(
        self,
        latent: Latent,
        places: Tensor | None = None,
        corruption_params: Tensor | None = None,
        target: Tensor | None = None,
    ) -> Tensor:
        """Logits (B, Q, vocab) at ``places``, each from the symbols (B, L, 1) of the target before it.

        Raises:
            ValueError: no target to continue from.
        """
        x = self._before(target, latent.tokens.shape[0]) + self._where(corruption_params)
        for block in self.blocks:
            x, _ = block(x, latent.tokens, latent.valid)
        logits = self.head(self.norm(x))
        return logits if places is None else pick(logits, places)

    @torch.no_grad()
    def generate(self, latent: Latent, corruption_params: Tensor | None = None) -> Tensor:
        """Logits (B, L, vocab) of the likeliest symbol after symbol; after its end a text has only ends."""
        if self.lookup is None:
            return closed(self(latent, None, corruption_params), self.end)
        where, token = self._where(corruption_params), self.start.expand(latent.tokens.shape[0], 1, -1)
        memories = [block.cross.remember(latent.tokens) for block in self.blocks]  # pyright: ignore
        past: list[KeyValue | None] = [None] * len(memories)
        logits = where.new_zeros(len(token), self.patches.count, self.head.out_features)
        over = torch.zeros(len(token), 1, dtype=torch.bool, device=where.device)
        for t in range(self.patches.count):
            x = token + where[:, t : t + 1]
            for i, block in enumerate(self.blocks):
                x, past[i] = block(x, memories[i], latent.valid, past[i])
            logits[:, t : t + 1] = self.head(self.norm(x))
            symbol = logits[:, t : t + 1].argmax(-1)
            if self.end is not None and (over := over | (symbol == self.end)).all():
                break
            token = self.lookup(symbol)
        return closed(logits, self.end)

    def _where(self, corruption_params: Tensor | None) -> Tensor:
        """Code of the places, with the corruption's parameters, (#B, L, D)."""
        if self.params is None or corruption_params is None:
            return self.code
        return self.code + self.params(corruption_params).unsqueeze(1)

    def _before(self, target: Tensor | None, batch: int) -> Tensor:
        """What stands before each place, (B, L, D): the start, then the true symbols."""
        start = self.start.expand(batch, 1, -1)
        if self.lookup is None:
            return start.expand(-1, self.patches.count, -1)
        if target is None:
            raise ValueError("this decoder continues from the true symbols: pass target (B, L, 1), or call generate")
        tokens = self.lookup(target[:, :-1, 0])
        if self.blank is not None and self.training:
            dropped = torch.rand(tokens.shape[:2], device=tokens.device) < self.token_drop
            tokens = torch.where(dropped.unsqueeze(-1), self.blank, tokens)
        return torch.cat([start, tokens], dim=1)


def windows(context: int | None, depth: int) -> list[int | None]:
    """Windows of ``depth`` blocks through which together a place sees itself and ``context - 1`` places before it.

    A place holds the symbol before it, so these are ``context`` symbols.

    >>> windows(5, 3), windows(0, 2), windows(None, 1)
    ([3, 2, 2], [1, 1], [None])
    """
    if context is None:
        return [None] * depth
    more, rest = divmod(max(context - 1, 0), depth)
    return [1 + more + (i < rest) for i in range(depth)]


def closed(logits: Float[Tensor, "B L V"], end: int | None) -> Float[Tensor, "B L V"]:
    """Logits with nothing but ends after each sample's first end.

    >>> closed(torch.eye(3)[None, [0, 2, 1]], end=2).argmax(-1).tolist()
    [[0, 2, 2]]
    """
    if end is None:
        return logits
    ends: Int64[Tensor, "B L"] = (logits.argmax(-1) == end).long()
    over = (ends.cumsum(1) > ends).unsqueeze(-1)
    last = F.one_hot(ends.new_tensor(end), logits.shape[-1]).to(logits.dtype)
    return torch.where(over, last, logits)
