"""Checks that corruptions share: what the user wrote becomes plain tuples, or a sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from ssl_pipeline.structures.grid import GridSpec


def interval(option: str, value: float | Sequence[float], low: float, high: float) -> tuple[float, float]:
    """A number or a pair as ``(smallest, largest)``.

    Raises:
        ValueError: not ``low <= smallest <= largest <= high``.

    >>> interval("sigma", 0.3, 0.0, 1.0), interval("sigma", [0.1, 0.5], 0.0, 1.0)
    ((0.3, 0.3), (0.1, 0.5))
    """
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
        raise ValueError(
            f"{option} is a number or an interval [low, high] between {low} and {high}, got {value}: keep inside these"
        )
    return float(pair[0]), float(pair[1])


def divisor(option: str, value: int | Sequence[int], grid: GridSpec) -> tuple[int, ...]:
    """One integer per axis that divides its size.

    Raises:
        ValueError: a wrong number of integers, or one that does not divide its axis.

    >>> divisor("cell", 4, GridSpec.of(("y", 28), ("x", 32), channels=1))
    (4, 4)
    """
    sides = tuple(value) if isinstance(value, Sequence) else (value,) * grid.ndim
    if len(sides) != grid.ndim:
        raise ValueError(f"{option} needs one integer or one per axis {grid.names}, got {value}: give {grid.ndim}")
    for axis, side in zip(grid.axes, sides, strict=True):
        if side < 1 or axis.size % side:
            fitting = ", ".join(str(n) for n in range(1, axis.size + 1) if axis.size % n == 0)
            raise ValueError(
                f"{option} must divide the {axis.size} cells along {axis.name!r}, got {side}: choose one of {fitting}"
            )
    return sides


def axis_dims(axes: Sequence[str] | None, grid: GridSpec, default: Sequence[str]) -> tuple[int, ...]:
    """Tensor dimensions of the named axes, counted from the end: they fit ``x``, ``mask`` and ``valid`` alike.

    Raises:
        ValueError: no axis, or one that the grid does not have.

    >>> axis_dims(["y"], GridSpec.of(("y", 28), ("x", 32), channels=1), default=["x"])
    (-2,)
    """
    names = default if axes is None else axes
    if unknown := [name for name in names if name not in grid.names]:
        raise ValueError(f"axes must be among {', '.join(grid.names)}, got {unknown}: rename or leave them out")
    if not names:
        raise ValueError(f"axes needs at least one of {', '.join(grid.names)}, got none: name one or use echo")
    return tuple(grid.names.index(name) - grid.ndim for name in names)
