"""What an import costs."""

from __future__ import annotations

import subprocess
import sys

from helpers.paths import ROOT


def test_importing_the_package_is_quick_and_light():
    code = (
        "import sys, time; t = time.perf_counter(); import ssl_pipeline; assert time.perf_counter() - t < 3;"
        "ssl_pipeline.load, ssl_pipeline.Graph;"
        "assert not {'lightning', 'hydra', 'datasets', 'omegaconf'} & set(sys.modules), 'heavy';"
        "import ssl_pipeline.api; assert 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
