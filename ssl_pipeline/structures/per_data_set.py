"""One thing for each data set of a run; a run on one data set has a set of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

_Thing = TypeVar("_Thing")


class PerDataSet(Mapping[str, _Thing]):
    """Things by the name of their data set, in the order in which steps take them.

    Args:
        things: at least one.

    Raises:
        ValueError: none.

    >>> one, two = PerDataSet({"digits": 1}), PerDataSet({"digits": 1, "tones": 2})
    >>> one.at(7), two.at(7)
    (('digits', 1), ('tones', 2))
    >>> one.prefix("digits"), two.prefix("tones")
    ('', 'tones/')
    """

    def __init__(self, things: Mapping[str, _Thing]) -> None:
        if not things:
            raise ValueError(f"{type(self).__name__}: expected one data set at least, got none")
        self._things = dict(things)

    def __getitem__(self, name: str) -> _Thing:
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    @property
    def only(self) -> _Thing:
        """The thing of a run on one data set.

        Raises:
            ValueError: there are several.
        """
        if len(self) > 1:
            raise ValueError(f"expected one data set, got {', '.join(self)}: name one of them")
        return next(iter(self.values()))

    def at(self, step: int) -> tuple[str, _Thing]:
        """Name and thing of the data set whose turn a step is: a function of the step number alone."""
        name = [*self][step % len(self)]
        return name, self[name]

    def prefix(self, name: str, sign: str = "/") -> str:
        """What stands before the names of a data set's numbers and files: nothing where there is only one."""
        return f"{name}{sign}" if len(self) > 1 else ""


def join_sets(found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a run's files say of its data sets: under ``sets`` by name, or of the only one at the top.

    >>> join_sets({"digits": {"knn": 90}}), join_sets({"a": {"knn": 90}, "b": {}})
    ({'knn': 90}, {'sets': {'a': {'knn': 90}, 'b': {}}})
    """
    return {"sets": dict(found)} if len(found) > 1 else dict(next(iter(found.values())))


def split_sets(saved: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a run's file says, by data set; the only one is called ``data``.

    >>> split_sets({"knn": 90}), split_sets({"sets": {"a": {"knn": 90}, "b": {}}})
    ({'data': {'knn': 90}}, {'a': {'knn': 90}, 'b': {}})
    """
    return dict(saved.get("sets") or {"data": saved})
