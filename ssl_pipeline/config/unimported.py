"""A part that has been written, and whose file nobody imports."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path


def unimported(kind: str, name: str, home: str | None) -> str | None:
    """The end of a sentence about a part that no module has registered; None where no file of ours would.

    Args:
        kind: of the part.
        name: of it.
        home: the module that imports those of the kind.
    """
    spec = None if home is None else find_spec(home)
    for folder in (spec and spec.submodule_search_locations) or ():
        wanted = re.compile(rf"register\(\s*['\"]{kind}['\"],\s*['\"]{re.escape(name)}['\"]")
        for file in sorted(Path(folder).rglob("*.py")):
            module = ".".join((str(home), *file.relative_to(folder).with_suffix("").parts))
            if module not in sys.modules and wanted.search(file.read_text(errors="replace")):
                return f"{file} registers it, but nothing imports that file: import it in {folder}/__init__.py"
    return None
