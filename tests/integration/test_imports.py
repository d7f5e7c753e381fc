"""What an import costs, and that what is imported is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module

import pytest
from helpers.paths import ROOT, SCRIPTS


def test_importing_the_package_is_quick_and_light():
    code = (
        "import sys, time; t = time.perf_counter(); import ssl_pipeline; assert time.perf_counter() - t < 3;"
        "ssl_pipeline.load, ssl_pipeline.Graph;"
        "assert not {'lightning', 'hydra', 'datasets', 'omegaconf'} & set(sys.modules), 'heavy';"
        "import ssl_pipeline.api; assert 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_script_imports_is_there(script):
    """Most scripts are run by slow tests alone, and a renamed function is found here."""
    found = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in found if (node.module or "").split(".")[0] == "ssl_pipeline"]
    for node in ours:
        for name in node.names:
            if not hasattr(import_module(str(node.module)), name.name):
                import_module(f"{node.module}.{name.name}")  # a module, or an error that names what is lost
