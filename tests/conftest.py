"""Fixtures that all integration tests share: where the built programs are, how to run them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("HAK_BUILD", ROOT / "build"))


@pytest.fixture(scope="session")
def build() -> Path:
    """The directory of the built programs and libraries."""
    return BUILD


@pytest.fixture(scope="session")
def shared_traces() -> Path:
    """The folder of traces from elsewhere; skips without HAK_TRACES."""
    folder = os.environ.get("HAK_TRACES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HAK_TRACES does not name a folder of traces")
    return Path(folder)


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
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
