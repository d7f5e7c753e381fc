"""What a codec tells of how raw things become samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Template
from typing import Any, Protocol, runtime_checkable

from ssl_pipeline.structures.grid import GridSpec


@runtime_checkable
class Preprocessing(Protocol):
    """A record of facts, from which all that an export says of them is made."""

    def config(self) -> dict[str, Any]:
        """Plain values by name, in the words of Hugging Face's ``preprocessor_config.json`` where they fit."""
        ...

    def sentences(self) -> list[str]:
        """The same in words."""
        ...

    def code(self) -> str:
        """Lines of Python that make arrays of numpy: ``x`` and, where samples may be padded, ``valid``.

        They need no package but numpy and what reads such files, and refuse what they cannot read as it was read here.
        """
        ...


_ARRAYS = Template("""\
import numpy as np

x = np.load("samples.npy")  # (B, $shape) $kind
if x.shape[1:] != ($shape,):
    raise ValueError(f"expected samples of shape (B, $shape), got {x.shape}: resize or reshape them")
x = $numbers""")


@dataclass(frozen=True)
class ArrayPreprocessing:
    """Samples that no codec reads: they are arrays on the grid, as they were given in training.

    Args:
        grid: theirs.
    """

    grid: GridSpec

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.grid.shape if self.grid.discrete else (self.grid.width, *self.grid.shape)

    def config(self) -> dict[str, Any]:
        """Shape, and range or vocabulary."""
        cells = {"vocab_size": self.grid.vocab} if self.grid.discrete else {"range": list(self.grid.range)}
        return {"type": "array", "shape": list(self._shape), "axes": list(self.grid.names), **cells}

    def sentences(self) -> list[str]:
        """Where its numbers lie."""
        kind = f"symbols below {self.grid.vocab}" if self.grid.discrete else f"numbers in {list(self.grid.range)}"
        return [f"Samples were given as arrays of shape {self._shape}, {kind}: no file is read."]

    def code(self) -> str:
        """From a file of numpy."""
        pixels = scaling("np.float32(x)", (0, 255), self.grid.range)
        return _ARRAYS.substitute(
            shape=", ".join(map(str, self._shape)),
            kind="whole numbers" if self.grid.discrete else f"in {list(self.grid.range)}, or uint8 from 0 to 255",
            numbers="np.int64(x)" if self.grid.discrete else f"{pixels} if x.dtype == np.uint8 else np.float32(x)",
        )


def scaling(array: str, values: Sequence[float], range: Sequence[float]) -> str:
    """An expression that takes values between two bounds to a range.

    >>> scaling("x", (0, 255), (0.0, 1.0)), scaling("x", (0, 255), (-1.0, 1.0))
    ('x / 255', 'x / 255 * 2 - 1')
    >>> scaling("x", (-1000, 3000), (0.0, 1.0))
    '(x + 1000) / 4000'
    """
    (least, most), (low, high) = values, range
    shifted = array if least == 0 else f"({array} {_signed(-least)})"
    shrunk = "" if most - least == 1 else f" / {most - least:.17g}"
    spread = "" if high - low == 1 else f" * {high - low:.17g}"
    return shifted + shrunk + spread + (f" {_signed(low)}" if low else "")


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'} {abs(number):.17g}"
