"""A model without the weights that it does not need."""

from __future__ import annotations

from copy import deepcopy

from ssl_pipeline.models import Part


def lean(part: Part, names: set[str]) -> Part:
    """A copy that holds no other weights and statistics of its graph than these."""
    copy = deepcopy(part)
    for path, module in copy.trained.named_modules():
        for table in (module._parameters, module._buffers):
            for key in table:
                name = f"{path}.{key}" if path else key
                if name not in names and key not in module._non_persistent_buffers_set:
                    table[key] = None
    return copy
