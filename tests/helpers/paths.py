"""Where things lie that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
SCRIPTS = ROOT / "scripts"
