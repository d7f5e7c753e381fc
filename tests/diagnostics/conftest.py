"""Its tests train runs."""

from helpers.fixtures import no_caches, no_pages  # noqa: F401
