"""Where the built programs are and how tests run them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
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


def info(trace: Path, **options: Any) -> dict[str, Any]:
    """`haktrace info --json` of a trace."""
    done = run(BUILD / "haktrace", "info", "--json", trace, **options)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


# What a program is started from counts as its own memory, so it has to be small.
LAUNCH = """
import os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as out:
    out.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(*command: object) -> tuple[str, int]:
    """What a program printed, and its greatest resident memory in bytes."""
    with tempfile.NamedTemporaryFile() as kibibytes:
        done = run(sys.executable, "-I", "-S", "-c", LAUNCH, kibibytes.name, *command, timeout=None)
        memory = int(kibibytes.read()) * 1024
    assert done.returncode == 0, done.stderr
    return done.stdout, memory
