"""Its tests load scripts."""

from helpers.fixtures import script  # noqa: F401
