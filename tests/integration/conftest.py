"""Its tests train runs and load scripts."""

from helpers.fixtures import no_caches, no_pages, script  # noqa: F401
