"""Networks are made without sizes and bound to them later, so that they can be written down before data is read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

_Own = TypeVar("_Own", bound="Bindable")


class Bindable:
    """Something that is made from options alone and gets its weights when it is bound to sizes."""

    def bind(self: _Own, *args: Any, **kwargs: Any) -> _Own:
        """A copy of it with weights; takes what its ``setup`` takes. The original stays as it is.

        Raises:
            ValueError: options that do not fit the sizes.
        """
        bound = deepcopy(self)
        bound.setup(*args, **kwargs)
        return bound

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Make the weights."""
        raise NotImplementedError
