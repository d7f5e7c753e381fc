"""A small stand-in for ``conf``."""

from helpers.small_conf import conf, mine  # noqa: F401
