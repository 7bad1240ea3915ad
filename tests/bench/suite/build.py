"""Building what is measured."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def build():
    """Builds ours and the load, and returns where they are; `SOCKHOP_BUILT` names a folder that has both already."""
    if built := os.environ.get("SOCKHOP_BUILT"):
        return str(Path(built).resolve() / "tun-demo"), str(Path(built).resolve() / "load")
    subprocess.run(
        ["cargo", "build", "--release", "--quiet", "-p", "tun-demo", "-p", "sockhop-tests", "--bin", "tun-demo", "--bin", "load"],
        check=True,
        cwd=ROOT,
    )
    target = (ROOT / os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "release"
    return str(target / "tun-demo"), str(target / "load")
