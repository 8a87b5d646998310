"""Small traces made by hand or at random: as DataFrames of events, and as files."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from conftest import BUILD

# Kinds by number, as in traces/calls.h; a few of them.
KINDS = {
    "malloc": 1,
    "calloc": 2,
    "realloc": 3,
    "free": 5,
    "memalign": 6,
    "new": 16,
    "delete": 32,
    "thread_start": 64,
    "thread_exit": 65,
    "inherited": 66,
    "lost": 67,
    "mark": 68,
}
TYPES: dict[str, Any] = {
    "time_ns": "int64",
    "thread": "uint32",
    "kind": pd.CategoricalDtype(list(KINDS)),
    "size": "uint64",
    "align": "uint64",
    "object": "int64",
    "old_object": "int64",
    "site": "int32",
    "flags": "uint8",
}
FAILED, MOVED, FOREIGN = 1, 2, 4

Row = tuple[int, int, str, int, int, int, int, int, int]


def events(rows: Iterable[Row]) -> pd.DataFrame:
    """Events as `Trace.events` gives them, from rows in the order of TYPES."""
    return pd.DataFrame(list(rows), columns=list(TYPES)).astype(TYPES)


def random_rows(seed: int, count: int, threads: int = 3, sites: int = 5) -> list[Row]:
    """A legal order of random calls: every kind of birth, death, failure and foreign free."""
    rng = random.Random(seed)
    alive: list[int] = []
    rows: list[Row] = []
    born = time = 0
    for _ in range(count):
        time += rng.randrange(3)
        thread, site = rng.randrange(threads), rng.randrange(-1, sites)
        size = rng.choice([0, 1, 7, 8, 9, 16, 17, 100, 4096, 1 << 20, rng.randrange(1 << 40)])
        what = rng.choice(
            ["birth"] * 6 + ["death"] * 4 + ["grow"] * 3 + ["fail", "foreign", "zero"]
        )
        old = alive.pop(rng.randrange(len(alive))) if alive else -1
        if old >= 0 and what in ("birth", "fail", "foreign"):
            alive.append(old)  # not concerned
        if what == "death" and old >= 0:
            rows.append((time, thread, "free", 0, 0, -1, old, site, 0))
        elif what == "zero" and old >= 0:
            rows.append((time, thread, "realloc", 0, 0, -1, old, site, 0))
        elif what == "fail" and old >= 0:
            rows.append((time, thread, "realloc", 1 << 60, 0, -1, old, site, FAILED))
        elif what == "fail":
            rows.append((time, thread, "malloc", (1 << 64) - 1, 0, -1, -1, site, FAILED))
        elif what == "foreign":
            rows.append((time, thread, "free", 0, 0, -1, -1, site, FOREIGN))
        else:
            grown = what == "grow" and old >= 0
            kind = (
                "realloc" if what == "grow" else rng.choice(["malloc", "calloc", "new", "memalign"])
            )
            align = 64 if kind == "memalign" else 0
            previous = old if grown else -1
            rows.append((time, thread, kind, size, align, born, previous, site, MOVED * grown))
            alive.append(born)
            born += 1
            if old >= 0 and what in ("death", "zero"):
                alive.append(old)
    return rows


def scribe(path: Path, lines: Iterable[str]) -> Path:
    """Writes a trace by tests/analysis/scribe.c, whose head says what lines there are."""
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        [BUILD / "tests/analysis/scribe", path],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return path


def event_lines(rows: Iterable[Row]) -> list[str]:
    """Rows as lines for `scribe`."""
    return [
        f"event {time} {thread} {KINDS[kind]} {size} {align} {born} {old} {site} {flags} 0"
        for time, thread, kind, size, align, born, old, site, flags in rows
    ]


def chunked(frame: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """The same events in chunks of random lengths."""
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(frame) + 1, 4))
    bounds = [0, *cuts.tolist(), len(frame)]
    return [frame.iloc[a:b] for a, b in pairwise(bounds)]
