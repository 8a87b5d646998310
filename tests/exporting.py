"""A trace with every sort of row, what `haktrace export` makes of a trace, and a model of it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from command import BUILD, run

HAKTRACE = BUILD / "haktrace"
SCRIBE = BUILD / "tests" / "analysis" / "scribe"
GENERATE = BUILD / "tests" / "traces" / "generate"
FORMATS = ("android", "collapsed", "heaptrack", "perfetto", "pprof")

# Modules 0 and 1, sites 0 to 3; site 0 has a stack, and a second one that does not count.
TABLES = """\
fact program /usr/bin/app
fact command app --fast
fact pid 4711
fact start_unix_ns 1700000000000000000
module 0x555500000000 0x2000 00ff /usr/bin/app
module 0x7f0000000000 0x2000 - /lib/libc.so.6
site 0 0x11d0 96
site 1 0x2a1b0 2064
site -1 0x7f31c 0
site 0 0x11e0 0
stack 0 0 0x11d0 0 0x1500 1 0x27000
stack 0 0 0x11d0 0 0x1600
thread 4711 0 -1 main
thread 4712 1900 2000000 worker
mark halfway
"""
ROWS = """\
event 0 0 66 72 16 0 -1 -1 0 0
event 1200 0 1 72 0 1 -1 1 0 0
event 1300 0 6 100 64 2 -1 0 0 0
event 1400 0 3 300 0 3 1 0 2 0
event 1500 0 3 10 0 -1 -1 2 1 0
event 1550 0 3 18446744073709551615 0 -1 3 2 1 0
event 1560 0 3 0 0 -1 3 2 1 0
event 1600 0 3 0 0 -1 3 -1 0 0
event 1700 0 5 0 0 -1 2 0 0 0
event 1800 0 5 0 0 -1 -1 -1 4 0
event 1850 0 3 44 0 4 -1 2 4 0
event 1900 1 64 0 0 -1 -1 -1 0 0
event 1900 1 34 72 0 -1 0 0 8 0
event 1950 1 16 8 0 5 -1 3 0 0
event 1960 1 67 12 0 -1 -1 -1 0 0
event 1970 0 68 0 0 -1 -1 -1 0 0
event 1980 0 9 5000 0 6 -1 2 0 0
event 1990 0 20 30 32 7 -1 -1 0 0
event 1995 0 2 60 0 8 -1 0 0 0
event 2000000 1 65 0 0 -1 -1 -1 0 0
event 3000000 0 4 90 0 9 8 3 0 0
"""
END = "end 3000100 12 0 0\n"


def export(kind: str, trace: Path, output: Path | str) -> subprocess.CompletedProcess[str]:
    """Runs `haktrace export`."""
    return run(HAKTRACE, "export", "--to", kind, trace, "-o", output)


def exported(kind: str, trace: Path, folder: Path) -> Path:
    """The written file; nothing is said."""
    output = folder / f"out.{kind}"
    done = export(kind, trace, output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return output


def scribe(path: Path, text: str) -> Path:
    """Writes a trace, row by row."""
    done = run(SCRIBE, path, input=text)
    assert done.returncode == 0, done.stderr
    return path


def sample_trace(folder: Path) -> Path:
    """A trace with every sort of row."""
    return scribe(folder / "sample.zst", TABLES + ROWS + END)


def large_trace(folder: Path) -> Path:
    """A trace of several blocks."""
    path = folder / "large.zst"
    assert run(GENERATE, "--events", "100000", path).returncode == 0
    return path


@dataclass
class Model:
    """What the rows of a trace do, from `haktrace dump`."""

    allocs: Counter[int | None] = field(default_factory=Counter)  # by site
    alloc_bytes: Counter[int | None] = field(default_factory=Counter)
    live: dict[int, tuple[int, int | None]] = field(default_factory=dict)  # size, site
    steps: list[tuple[int, int, int]] = field(default_factory=list)  # time, bytes, objects
    leaked: Counter[int | None] = field(default_factory=Counter)

    @staticmethod
    def of(trace: Path) -> Model:
        """The model of a trace."""
        model = Model()
        live_bytes = 0
        for line in run(HAKTRACE, "dump", "--json", trace).stdout.splitlines():
            row = json.loads(line)
            if row["old_object"] is not None and "failed" not in row["flags"]:
                live_bytes -= model.live.pop(row["old_object"])[0]
            if row["object"] is not None:
                model.live[row["object"]] = (row["size"], row["site"])
                live_bytes += row["size"]
                if row["kind"] != "inherited":
                    model.allocs[row["site"]] += 1
                    model.alloc_bytes[row["site"]] += row["size"]
            model.steps.append((row["time_ns"], live_bytes, len(model.live)))
        for size, site in model.live.values():
            model.leaked[site] += size
        return model
