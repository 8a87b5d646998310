"""Where the built programs are and how tests run them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HAK_BUILD", ROOT / "build"))


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, output captured as text; never raises on its exit status."""
    options.setdefault("timeout", 300)
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False, **options
    )


def info(trace: Path) -> dict[str, Any]:
    """`haktrace info --json` of a trace."""
    done = run(BUILD / "haktrace", "info", "--json", trace)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))
