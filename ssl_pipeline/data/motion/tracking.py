"""Objects through time: components of frames that are taken for the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from ssl_pipeline.data.motion.regions import CellIndices, clearest, components, lasting, pieces

_WIDEST = 2**20
"""Cells, above the width of any frame."""
_MEMORY = 4
"""Frames of which an object's shape is made."""
_SMOOTH = 0.5
"""Weight of the newest step in a velocity."""
_PULL = 0.03
"""Share of its cells that an object gives up for lying one cell nearer to where it is expected."""
_HELD = 0.4
"""Of an object's cells that must move for it to be seen."""
_SHARE = 0.25
"""Of an object's cells, or of a component's, that must lie in both for the one to belong to the other."""


@dataclass
class Track:
    """An object.

    Args:
        number: from 1 on.
        place: row and column of its origin.
        velocity: cells a frame.
        seen: its cells in the last frames in which it was alone, relative to the origin.
        missed: frames in a row in which it was not seen.
        shape: what these frames have in common.
    """

    number: int
    place: Float[np.ndarray, "2"]
    velocity: Float[np.ndarray, "2"]
    seen: list[CellIndices] = field(default_factory=list)
    missed: int = 0
    shape: CellIndices = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))

    def cells(self) -> CellIndices:
        """Where they are expected now."""
        return self.shape + np.round(self.place).astype(int)

    def remember(self, cells: CellIndices) -> None:
        """What is seen of it, alone."""
        self.seen = [*self.seen[1 - _MEMORY :], cells - np.round(self.place).astype(int)]
        shape = common(self.seen)
        self.shape = shape if len(shape) else self.seen[-1]


def tracked(
    found: Bool[np.ndarray, "T H W"], reach: int = 3, patience: int = 2, life: int = 3
) -> Integer[np.ndarray, "T H W"]:
    """Number of the object at each cell, the same in all frames; 0 where there is none.

    Tracking begins in the frame where most objects are apart and goes from there to the end and to the beginning.
    Constant velocity says where an object should be; from there its shape is laid where most of it moves. Objects that
    meet in one component share its cells, each those nearest to its own; pieces of an object go to it. What belongs to
    no object goes to one that was lost nearby (Hungarian method), or is a new one.

    Args:
        found: cells that move.
        reach: cells along each axis from where an object is expected, at most; a lost one is looked for twice as far.
        patience: frames in which an object may be hidden before it is given up.
        life: frames of the shortest track that counts.

    >>> found = np.zeros((7, 3, 14), dtype=bool)
    >>> for t in range(7):
    ...     found[t, 0:2, 2 * t : 2 * t + 2] = found[t, 1:3, 12 - 2 * t : 14 - 2 * t] = True
    >>> ids = tracked(found)
    >>> ids[:, 0].max(axis=1).tolist(), ids[:, 2].max(axis=1).tolist()
    ([1, 1, 1, 1, 1, 1, 1], [2, 2, 2, 2, 2, 2, 2])
    """
    parts = components(found)
    ids = np.zeros(found.shape, dtype=np.int64)
    middle = clearest(parts)
    tracks = [_new(number, cells) for number, cells in enumerate(pieces(parts[middle]).values(), 1)]
    back = [_new(track.number, track.cells()) for track in tracks]
    for track in tracks:
        ids[middle][tuple(track.cells().T)] = track.number
    number = _follow(tracks, range(middle + 1, len(ids)), parts, ids, len(tracks) + 1, reach, patience)
    for track in back:  # they come from where they did not go
        track.velocity = -_step(ids, middle, track)
    _follow(back, range(middle - 1, -1, -1), parts, ids, number, reach, patience)
    return lasting(ids, life)


def common(some: Sequence[CellIndices]) -> CellIndices:
    """Cells that are in at least half of some sets.

    >>> common([np.array([[0, -1], [2, 2]]), np.array([[0, -1]]), np.array([[5, 5]])]).tolist()
    [[0, -1]]
    """
    # One number a cell, for numpy sorts rows twenty times as slowly.
    numbers, count = np.unique(np.concatenate(some) @ (_WIDEST, 1), return_counts=True)
    rows, columns = np.divmod(numbers[2 * count >= len(some)] + _WIDEST // 2, _WIDEST)
    return np.stack([rows, columns - _WIDEST // 2], axis=1)


def _new(number: int, cells: CellIndices) -> Track:
    track = Track(number, cells.mean(axis=0), np.zeros(2))
    track.remember(cells)
    return track


def _follow(
    tracks: list[Track],
    times: Iterable[int],
    parts: Integer[np.ndarray, "T H W"],
    ids: Integer[np.ndarray, "T H W"],
    number: int,
    reach: int,
    patience: int,
) -> int:
    """Fill the frames, in either direction of time; the number of the next new object."""
    for t in times:
        found = pieces(parts[t])
        for track in tracks:
            track.place = track.place + track.velocity
            _register(track, parts[t], reach)
        owners = _owners(tracks, parts[t], found, reach)
        for label, own in owners.items():
            if not own:
                own.append(_new(number, found[label]))
                tracks, number = [*tracks, *own], number + 1
        _fill(ids[t], tracks, found, owners)
        tracks = [track for track in tracks if track.missed <= patience]
    return number


def _owners(
    tracks: list[Track], frame: Integer[np.ndarray, "H W"], found: dict[int, CellIndices], reach: int
) -> dict[int, list[Track]]:
    """The known objects that each component of a frame belongs to."""
    owners: dict[int, list[Track]] = {label: [] for label in found}
    for track in tracks:
        for label in _inside(track, frame, found) if not track.missed else ():
            owners[label].append(track)
    free = [label for label, own in owners.items() if not own]
    for track, label in _returned(tracks, [found[label] for label in free], reach):
        owners[free[label]].append(track)
    return owners


def _fill(
    ids: Integer[np.ndarray, "H W"],
    tracks: list[Track],
    found: dict[int, CellIndices],
    owners: dict[int, list[Track]],
) -> None:
    """Give the cells of a frame their numbers; an object remembers what it looked like where it was alone."""
    of_track: dict[int, list[CellIndices]] = {track.number: [] for track in tracks}
    alone = set(of_track)
    for label, own in owners.items():
        for track, cells in zip(own, divided(found[label], [track.cells() for track in own]), strict=True):
            of_track[track.number].append(cells)
        alone -= {track.number for track in own} if len(own) > 1 else set()
    for track in tracks:
        if cells := of_track[track.number]:
            whole = np.concatenate(cells)
            ids[tuple(whole.T)] = track.number
            if track.number in alone:
                track.remember(whole)


def _register(track: Track, frame: Integer[np.ndarray, "H W"], reach: int) -> None:
    """Lay an object where most of its cells move, rather near to where it is expected."""
    steps, far = _steps(reach)
    held = (_at(frame, track.cells() + steps[:, None]) > 0).mean(axis=1)
    best = int(np.argmax(held - _PULL * far))
    if held[best] < _HELD:
        track.missed += 1
        return
    track.missed = 0
    track.place = track.place + steps[best]
    track.velocity = track.velocity + _SMOOTH * steps[best] if len(track.seen) > 1 else track.velocity + steps[best]


@cache
def _steps(reach: int) -> tuple[CellIndices, Float[np.ndarray, "n"]]:
    """Steps along each axis, shorter ones first, and how long they are."""
    steps = np.array(list(product(range(-reach, reach + 1), repeat=2)))
    far = np.linalg.norm(steps, axis=1)
    order = np.argsort(far, kind="stable")
    return steps[order], far[order]


def _at(frame: Integer[np.ndarray, "H W"], cells: Integer[np.ndarray, "*n 2"]) -> Integer[np.ndarray, "*n"]:
    """Labels at cells; 0 outside the frame."""
    rows, columns = cells[..., 0], cells[..., 1]
    inside = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
    return np.where(inside, frame[rows.clip(0, frame.shape[0] - 1), columns.clip(0, frame.shape[1] - 1)], 0)


def _inside(track: Track, frame: Integer[np.ndarray, "H W"], found: dict[int, CellIndices]) -> list[int]:
    """Components that an object lies in, or that are pieces of it."""
    labels, count = np.unique(_at(frame, track.cells()), return_counts=True)
    size = len(track.cells())
    return [
        int(label)
        for label, n in zip(labels, count, strict=True)
        if label and n > _SHARE * min(size, len(found[int(label)]))
    ]


def _returned(tracks: list[Track], free: list[CellIndices], reach: int) -> list[tuple[Track, int]]:
    """Objects that were lost, each with the number of a component that no other has; they move there."""
    lost = [track for track in tracks if track.missed]
    if not lost or not free:
        return []
    centres = np.stack([track.cells().mean(axis=0) for track in lost])
    away = np.stack([cells.mean(axis=0) for cells in free]) - centres[:, None]
    distance = np.linalg.norm(away, axis=-1)
    near = []
    for row, column in zip(*linear_sum_assignment(distance), strict=True):
        if distance[row, column] <= 2 * reach:
            track = lost[row]
            track.place, track.missed = track.place + away[row, column], 0
            track.velocity = track.velocity + _SMOOTH * away[row, column]
            near.append((track, int(column)))
    return near


def divided(cells: CellIndices, expected: list[CellIndices]) -> list[CellIndices]:
    """Cells of each object that lies in a component: those nearest to where its own are expected."""
    if len(expected) == 1:
        return [cells]
    nearest = np.stack([KDTree(own).query(cells)[0] for own in expected]).argmin(axis=0)
    return [cells[nearest == i] for i in range(len(expected))]


def _step(ids: Integer[np.ndarray, "T H W"], middle: int, track: Track) -> Float[np.ndarray, "2"]:
    """From the frame where an object was clear to the next one."""
    after = np.argwhere(ids[middle + 1] == track.number) if middle + 1 < len(ids) else np.empty((0, 2))
    return after.mean(axis=0) - track.place if len(after) else np.zeros(2)
