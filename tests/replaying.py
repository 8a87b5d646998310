"""Runs hakreplay, and writes traces for it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from command import BUILD, run

HAKREPLAY = BUILD / "hakreplay"
HELPERS = BUILD / "tests" / "replayer"
SCRIBE = BUILD / "tests" / "analysis" / "scribe"
ALLOCATORS = ("hakmem", "glibc", "jemalloc", "tcmalloc", "mimalloc")
SCHEDULES = ("lockstep", "parallel", "paced")

Result = dict[str, Any]
Finished = subprocess.CompletedProcess[str]


def replay(trace: Path, *options: str | Path, program: Path = HAKREPLAY) -> Finished:
    """hakreplay on a trace, run to its end."""
    if "paced" in options and "--speed" not in options:
        options = (*options, "--speed", "1000")  # how fast is of no account to most tests
    return run(program, trace, *options, timeout=600)


def results(trace: Path, *options: str | Path) -> list[Result]:
    """The JSON objects of a replay that must succeed."""
    lines = trace.with_suffix(".jsonl")
    lines.unlink(missing_ok=True)
    done = replay(trace, "--json", lines, *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in lines.read_text().splitlines()]


def write(
    path: Path,
    *rows: str,
    threads: int = 1,
    end: bool = True,
    died: dict[int, int] | None = None,
    left: dict[int, int] | None = None,
) -> Path:
    """A trace of event rows, 1 us apart: `THREAD KIND SIZE ALIGN OBJECT OLD_OBJECT SITE FLAGS`.

    died: resident pages of the old object, by row; left: those at the end, by object.
    """
    head = ["fact pid 100", "module 0x1000 0x1000 00ff /usr/bin/app"]
    head += [f"site 0 {offset} 16" for offset in range(3)]
    head += [f"thread {100 + number} 0 -1 thread" for number in range(threads)]
    tail = [f"left {number} {pages}" for number, pages in (left or {}).items()]
    tail += ["end 0 0 0 0"] if end else ["flush"]
    events = []
    for number, row in enumerate(rows):
        events += [f"pages -1 {died[number]}"] if died and number in died else []
        events.append(f"event {1000 * number} {row} 0")
    done = run(SCRIBE, path, input="\n".join([*head, *events, *tail, ""]))
    assert done.returncode == 0, done.stderr
    return path


def make_random(
    folder: Path, seed: int, threads: int = 1, rows: int = 3000, live: int = 100
) -> Path:
    """A random legal trace (randomrows.h), the same for the same numbers."""
    path = folder / f"random-{seed}-{threads}.zst"
    done = run(HELPERS / "randomtrace", *map(str, (seed, threads, rows, live)), path)
    assert done.returncode == 0, done.stderr
    return path
