"""`make bench-replay`: what the replay itself costs, and how a naive replayer compares.

Traces: made ones with 1, 4 and 64 threads at a time that come and go, with 2 and 64 that live all
the time ("steady"), a recorded python3, and Android's surfaceflinger when HAK_TRACES names the
folder that has it. Each is replayed on the null allocator without touching: nanoseconds per call
are the loop's own, best and median of the repeats. Then the naive replayer
(tests/replayer/naive.c: condition variables hand the turn on after every call) and hakreplay in
lockstep execute the same trace on glibc, in turn; the ratio is that of the medians. Besides: how
many processors a balanced two-thread trace keeps busy in parallel (processor time over wall
time), what streaming the plan disturbs (time on hakmem in parts over time in one piece, in turn),
and how late calls begin when paced. Every measurement is one JSON line in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from command import BUILD, info, run

HAKREPLAY = BUILD / "hakreplay"
NAIVE = BUILD / "tests" / "replayer" / "naive"
GENERATE = BUILD / "tests" / "traces" / "generate"
REPEATS = 9
NAIVE_REPEATS = 3
PART = "2M"  # of a plan in parts: some 160,000 calls
MADE = (  # name, threads at a time, calls, times that each is replaced
    ("made", 1, 300_000, 0),
    ("made", 4, 150_000, 8),
    ("made", 64, 150_000, 8),
    ("steady", 2, 1_000_000, 0),
    ("steady", 64, 1_000_000, 0),
)
JSON_PROGRAM = """
import json
d = [{"a": i, "b": str(i) * 3, "c": [i] * 5} for i in range(5000)]
for _ in range(3):
    d = json.loads(json.dumps(d))
"""


def done(*command: str | Path, **options: Any) -> str:
    """The output of a command that must succeed."""
    finished = run(*command, timeout=900, **options)
    if finished.returncode:
        sys.exit(f"{command[0]}: {finished.stderr}")
    return finished.stdout


def traces(folder: Path) -> Iterator[Path]:
    """Makes the traces."""
    for name, threads, events, generations in MADE:
        path = folder / f"{name}-{threads}.zst"
        options = (f"--events={events}", f"--threads={threads}", f"--generations={generations}")
        done(GENERATE, *options, "--live=2000", path)
        yield path
    path = folder / "python3.zst"
    environment = os.environ | {"PYTHONMALLOC": "malloc"}
    done(BUILD / "hakrec", "-o", path, "/usr/bin/python3", "-c", JSON_PROGRAM, env=environment)
    yield path
    if android := os.environ.get("HAK_TRACES"):
        path = folder / "surfaceflinger.zst"
        source = Path(android, "surfaceflinger.zip")
        done(BUILD / "haktrace", "import", "--from", "android", source, "-o", path)
        yield path


def results(
    trace: Path, allocator: str, schedule: str, repeats: int, *options: str
) -> list[dict[str, Any]]:
    """What hakreplay tells of each repeat."""
    lines = trace.with_suffix(".jsonl")
    lines.unlink(missing_ok=True)
    done(
        HAKREPLAY, trace, "--alloc", allocator, "--schedule", schedule, "--touch", "none",
        "--repeat", str(repeats), "--json", lines, *options,
    )  # fmt: skip
    return [json.loads(line) for line in lines.read_text().splitlines()]


def replays(trace: Path, allocator: str, schedule: str, repeats: int, *options: str) -> list[float]:
    """Nanoseconds per call of each repeat."""
    return [r["ns_per_op"] for r in results(trace, allocator, schedule, repeats, *options)]


def special(trace: Path) -> Iterator[tuple[str, str, list[float]]]:
    """What is measured on one trace alone: what it is, its unit, the values."""
    if trace.stem == "steady-2":
        made = results(trace, "hakmem", "parallel", REPEATS)
        yield "busy, hakmem", "cores", [r["cpu_ns"] / r["wall_ns"] for r in made]
        for schedule in ("lockstep", "parallel"):
            ratios = []
            for _ in range(REPEATS):
                (whole,) = replays(trace, "hakmem", schedule, 1)
                (parts,) = replays(trace, "hakmem", schedule, 1, "--memory", PART)
                ratios.append(parts / whole)
            yield f"in parts {schedule}", "x", ratios
    if trace.stem == "python3":
        late = [r["late"] for r in results(trace, "hakmem", "paced", NAIVE_REPEATS)]
        for what in ("mean", "p99"):
            yield f"paced, late {what}", "us", [each[f"{what}_ns"] / 1000 for each in late]


def measure(trace: Path) -> Iterator[dict[str, Any]]:
    """All measurements of one trace."""
    facts = info(trace)
    known = {"trace": trace.name, "threads": facts["threads"], "events": facts["events"]}
    for schedule in ("lockstep", "parallel"):
        loop = replays(trace, "null", schedule, REPEATS)
        best, median = min(loop), statistics.median(loop)
        yield known | {"what": f"loop {schedule}", "unit": "ns", "best": best, "median": median}
    for what, unit, values in special(trace):
        best, median = min(values), statistics.median(values)
        yield known | {"what": what, "unit": unit, "best": best, "median": median}
    if facts["threads"] == 1:
        return
    naive, lockstep = [], []
    for _ in range(NAIVE_REPEATS):
        naive.append(float(done(NAIVE, trace)))
        lockstep += replays(trace, "glibc", "lockstep", 1)
    for what, values in (("naive on glibc", naive), ("lockstep on glibc", lockstep)):
        best, median = min(values), statistics.median(values)
        yield known | {"what": what, "unit": "ns", "best": best, "median": median}
    ratio = statistics.median(naive) / statistics.median(lockstep)
    yield known | {"what": "naive / lockstep", "ratio": ratio}


def main() -> None:
    """Measures, writes the file, prints the table."""
    parser = argparse.ArgumentParser(description="what the replay itself costs")
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{'trace':20} {'threads':>7} {'':20} {'best':>9} {'median':>15}")
    with tempfile.TemporaryDirectory() as folder, out.open("w") as lines:
        for trace in traces(Path(folder)):
            for row in measure(trace):
                lines.write(json.dumps(row) + "\n")
                name = f"{row['trace']:20} {row['threads']:7} {row['what']:20}"
                if "ratio" in row:
                    print(f"{name} {'':15} {row['ratio']:9.2f} x", flush=True)
                else:
                    best, median, unit = row["best"], row["median"], row["unit"]
                    print(f"{name} {best:9.2f} {unit:5} {median:9.2f} {unit}", flush=True)


if __name__ == "__main__":
    main()
