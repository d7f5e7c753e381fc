"""Families of templates in YAML files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from ssl_pipeline.utils.errors import nearest

SHIPPED = Path(__file__).with_name("templates")


def read_families(name: str) -> dict[str, list[str]]:
    """Templates by family, from a file of the form ``{family: [template, ...]}``.

    Args:
        name: a path that ends in .yaml or .yml, or the name of a file that comes with the package.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: one of another form, or none that comes with the package.

    >>> sorted(read_families("paraphrases"))[:3]
    ['ask', 'chat', 'code']
    """
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        shipped = {file.stem: file for file in SHIPPED.glob("*.yaml")}
        if name not in shipped:
            raise ValueError(
                f"no file of templates called {name!r} comes with the package ({nearest(name, shipped)}): "
                f"name one of these, or the path of your own, which ends in .yaml"
            )
        path = shipped[name]
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of templates {str(path)!r}: write {{family: [template, ...]}} there")
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not _are_families(found):
        raise ValueError(
            f"{path} is no file of templates: expected families, each with a list of strings, such as "
            f'say: ["Repeat this: {{}}", "Say again: {{}}"]'
        )
    return found


def _are_families(found: object) -> bool:
    if not isinstance(found, Mapping) or not found:
        return False
    return all(isinstance(some, list) and all(isinstance(one, str) for one in some) for some in found.values())
