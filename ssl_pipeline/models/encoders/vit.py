"""A transformer trunk over the visible patches of all views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.base import Encoder
from ssl_pipeline.models.encoders.patch_embed import PatchStem, PatchTokens
from ssl_pipeline.models.encoders.view_embedding import ViewEmbedding
from ssl_pipeline.models.encoders.visible import check_cell
from ssl_pipeline.models.layers import CellMean, Trunk, pool_cells
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.grid import GridSpec


@register("encoder", "vit", parts={"mlp": "layer"})
class ViT(Encoder):
    """ViT over any grid (arXiv 2010.11929) that computes visible tokens only (MAE, arXiv 2111.06377).

    Views of equal token count pass the trunk in one call; they may be of other sizes than the clean grid (multi-crop,
    arXiv 2006.09882).

    Args:
        patch: side of a patch in cells; None for ``default_patch``.
        width: width D of the tokens.
        depth: number of blocks.
        heads: attention heads; must divide ``width``.
        mlp_ratio: hidden width of the MLPs in multiples of ``width``.
        drop_path: stochastic depth rate of the last block; grows linearly from 0.
        pool: cells of the embedding along each axis, one number or one an axis: the tokens' means in each of them;
            1 is the plain mean.
        view_drop: share of samples whose view is hidden from the encoder in training.
        dense: compute all tokens and mask attention instead of leaving tokens out.
        masked: ``drop`` leaves out masked tokens. The others cost more and cover the whole grid: ``keep`` takes
            what fills masked places as it stands (BERT, arXiv 1810.04805, whose mask symbol is learned as every symbol
            is); ``token`` puts one learned token in the place of each patch that is wholly masked, whatever
            fills it (SimMIM, arXiv 2111.09886; iBOT, arXiv 2111.07832).
        ngrams: on a discrete grid of one axis: length of the longest n-gram whose hashed embedding is added to that
            of the symbol it ends at; up to 1 for none.
        buckets: rows of the n-grams' table for each length.
        mlp: called with ``width`` and the MLPs' hidden width, makes what stands in their place; see ``Trunk``.

    Raises:
        ValueError: ``heads`` does not divide ``width``; ``patch`` does not divide the grid; another ``masked``; n-grams
            on another grid.
    """

    shared = ("trunk",)
    any_length = True
    block_list, before, behind = "trunk.blocks", ("stem", "view"), ("trunk.norm",)

    def __init__(
        self,
        *,
        patch: int | Sequence[int] | None = None,
        width: int = 192,
        depth: int = 6,
        heads: int = 3,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
        pool: int | Sequence[int] = 1,
        view_drop: float = 0.25,
        dense: bool = False,
        masked: str = "drop",
        ngrams: int = 0,
        buckets: int = 32768,
        mlp: Callable[[int, int], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        if min(width, heads) < 1 or width % heads:
            raise ValueError(f"encoder.heads={heads} must divide encoder.width={width}")
        if masked not in ("drop", "keep", "token"):
            raise ValueError(f"encoder.masked={masked!r} is not known; take drop, keep or token")
        self.patch, self.cells, self.width = patch, pool, width
        self.blocks = self.depth = depth
        self.heads, self.mlp_ratio, self.drop_path, self.mlp = heads, mlp_ratio, drop_path, mlp
        self.dense, self.masked, self.sees_masked = dense, masked, masked != "drop"
        self.view_drop, self.longest, self.buckets = view_drop, ngrams, buckets

    def setup(self, grid: GridSpec, views: Sequence[str]) -> None:
        """See ``Encoder``."""
        self.pool = CellMean(grid, pool_cells(self.cells, grid))
        self.embedding_width = self.width * self.pool.count
        token = self.masked == "token"
        self.stem = PatchStem(grid, self.patch, self.width, self.longest, self.buckets, mask_token=token)
        self.dense_shape = self.stem.patches.shape
        self.view = ViewEmbedding(views, self.width, self.view_drop)
        self.trunk = Trunk(self.width, self.depth, self.heads, self.mlp_ratio, self.drop_path, self.mlp)

    def shape_of(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Grid of the tokens of a view of so many cells."""
        return self.stem.patches.shape_of(cells)

    def check_mask(self, cell: Sequence[int] | None) -> None:
        """See ``Encoder``."""
        check_cell(self.stem.patches, None if self.sees_masked else cell)

    def forward(self, views: Mapping[str, View], last: int = 1) -> dict[str, Latent]:
        """Encode views by name, those of as many tokens in one pass; ``last``: see ``Encoder``."""
        tokens = self._tokens(views)
        packs = defaultdict(list)
        for name, t in tokens.items():
            # One view needs no key; of a tracer's lengths there can be none.
            packs[(t.values.shape[1], t.valid is None) if len(tokens) > 1 else None].append(name)
        latents = {}
        for names in packs.values():
            values = torch.cat([tokens[name].values for name in names])
            masks = [mask for name in names if (mask := tokens[name].valid) is not None]
            valid = torch.cat(masks) if masks else None
            parts = self.trunk(values, valid, last).split([tokens[name].values.shape[0] for name in names])
            latents |= {name: self._latent(part, tokens[name]) for name, part in zip(names, parts, strict=True)}
        return {name: latents[name] for name in views}

    def enter(self, name: str, view: View) -> Latent:
        """Tokens of all patches; masked ones are not valid where the encoder does not see them."""
        tokens = self._tokens({name: view}, dense=True)[name]
        return Latent(tokens.values, tokens.values.mean(1), tokens.coords, tokens.valid, tokens.dense_shape)

    def step(self, block: int, latent: Latent) -> Latent:
        """Tokens out of a block."""
        return latent._replace(tokens=self.trunk.step(block, latent.tokens, latent.valid))

    def leave(self, latent: Latent) -> Latent:
        """Tokens through the last norm."""
        assert latent.coords is not None
        values = self.trunk.norm(latent.tokens)
        return latent._replace(tokens=values, pooled=self.pool(values, latent.coords, latent.valid))

    def layers(self) -> list[list[nn.Parameter]]:
        """Stem and view embedding, then the blocks; the last norm belongs to the last of them."""
        layers = [[*self.stem.parameters(), *self.view.parameters()]]
        layers += ([*block.parameters()] for block in self.trunk.blocks)
        layers[-1] += self.trunk.norm.parameters()
        return layers

    def _tokens(self, views: Mapping[str, View], dense: bool = False) -> dict[str, PatchTokens]:
        kept, seen = None, [*views.values()]
        if self.sees_masked:
            kept = [view.mask for view in seen]
            seen = [view._replace(mask=None, cell=None, visible=None) for view in seen]
        tokens = dict(zip(views, self.stem(seen, dense or self.dense, kept), strict=True))
        by_view = {name: self.view(name, view.x.shape[0]).unsqueeze(1) for name, view in views.items()}
        return {name: t._replace(values=t.values + by_view[name].to(t.values.dtype)) for name, t in tokens.items()}

    def _latent(self, values: Tensor, tokens: PatchTokens) -> Latent:
        pooled = self.pool(values, tokens.coords, tokens.valid)
        return Latent(values, pooled, tokens.coords, tokens.valid, tokens.dense_shape)
