"""Any module as an encoder."""

from __future__ import annotations

import re

from torch import nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.encoders.outside import OutsideEncoder, UserModule
from ssl_pipeline.models.encoders.token_layout import LAYOUTS
from ssl_pipeline.structures.grid import GridSpec


@register("encoder", "module")
class ModuleEncoder(OutsideEncoder):
    """A module of yours that takes standardised samples, with the weights that it has.

    It takes (B, C, *cells) numbers or (B, *cells) symbols, and may return

    * (B, D): one vector a sample. The latent has one token, which covers no grid;
    * (B, N, D): tokens. Where N is the number of patches with equal sides, or that and one class token before them,
      they have places, and the embedding is the mean of those of the patches. Else they have none, as slots have none:
      what predicts or decodes places by themselves is then refused;
    * (B, D, *shape): a map. On a grid of one axis this, (B, D, N), is told from (B, N, D) by which axis changes with
      the length of the sample, else by which may count patches; where neither tells, ``layout`` must.

    The graph that is bound first trains your object itself, not a copy: it is moved to the processor, to 32 bits and
    into training mode (what is frozen by ``requires_grad`` stays so), and afterwards has the trained weights. Graphs
    that are bound later have copies of it as it was before.

    It sees masked places as they are filled. A run's folder has the weights, not the code:
    ``load(folder, encoder=module)``.

    Args:
        module: to be trained; None in a configuration that was saved, which has only its name.
        of: name of its class, for sentences.
        prefix: tokens before those of the patches; None: 0 or 1, whichever fits.
        layout: ``channels_first`` for (B, D, N), ``channels_last`` for (B, N, D); None: see above.
        view_drop: share of samples whose view is hidden from the encoder in training.

    Raises:
        ValueError: the module is not given, does not take the samples, or returns something else; ``of`` is no name.

    >>> from torch import nn
    >>> grid = GridSpec.of(("y", 8), ("x", 8), channels=1)
    >>> encoder = ModuleEncoder(nn.Conv2d(1, 16, 4, stride=4)).bind(grid, ("noise",))
    >>> encoder.width, encoder.dense_shape
    (16, (2, 2))
    """

    def __init__(
        self,
        module: nn.Module | None = None,
        /,
        *,
        of: str | None = None,
        prefix: int | None = None,
        layout: str | None = None,
        view_drop: float = 0.25,
    ) -> None:
        super().__init__(view_drop, prefix)
        if layout not in LAYOUTS:
            raise ValueError(f"encoder.layout={layout!r}: expected channels_first, channels_last or null")
        self.layout = self.said_layout = layout
        self.user_module = None if module is None else UserModule(module)
        self.of = of or (f"{type(module).__module__}.{type(module).__qualname__}" if module is not None else "a module")
        if not re.fullmatch(r"[\w.<> ]+", self.of):  # a file's words stand in sentences
            raise ValueError(f"encoder.of={self.of!r}: expected the name of a class")

    def to_plain(self) -> dict[str, object]:
        """What a configuration says of it."""
        return {
            "type": "module",
            "of": self.of,
            "prefix": self.prefix,
            "layout": self.said_layout,
            "view_drop": self.view_drop,
        }

    @property
    def what(self) -> str:
        """The module's class."""
        return f"the encoder {self.of.rpartition('.')[2]}"

    def make(self, grid: GridSpec) -> nn.Module:
        """The object itself, or a copy.

        Raises:
            ValueError: there is none.
        """
        if self.user_module is None:
            raise ValueError(f"encoder={{type: module}} names {self.of}, and no object of it is given")
        return self.user_module.take()
