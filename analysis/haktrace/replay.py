"""Runs hakreplay and reads what it measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pandas as pd

from haktrace.binding import TraceError, library_path
from haktrace.results import read_results


def replay(trace: str | os.PathLike[str], *options: str) -> pd.DataFrame:
    """Replays a trace and returns the results, as `read_results` does.

    `options`: of hakreplay (`"--alloc", "hakmem,glibc", "--repeat", "10"`). The program is the one
    beside the library that reads traces, else the one on the PATH. Raises TraceError with
    hakreplay's own words when a replay fails.
    """
    beside = library_path().with_name("hakreplay")
    program = str(beside) if beside.is_file() else shutil.which("hakreplay")
    if not program:
        raise TraceError(f"hakreplay is neither at {beside} nor on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "results.jsonl"
        command = [program, os.fspath(trace), *options, "--json", str(lines)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise TraceError(done.stderr.strip() or f"hakreplay failed on {os.fspath(trace)}")
        return read_results(lines)
