"""Where things lie that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
LAB_CONF = ROOT / "ssl_pipeline/lab/conf"
SCRIPTS = ROOT / "scripts"


def yaml_files(group: str) -> list[Path]:
    """The YAML files of a group, the laboratory's included; ``*``: of all groups."""
    return sorted(path for conf in (CONF, LAB_CONF) for path in conf.glob(f"{group}/*.yaml"))
