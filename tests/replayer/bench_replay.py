"""`make bench-replay`: what the replay itself costs, and how a naive replayer compares.

Traces: made ones with 1, 4 and 64 threads, a recorded python3, and Android's surfaceflinger when
HAK_TRACES names the folder that has it. Each is replayed on the null allocator without touching:
nanoseconds per call are the loop's own, best and median of the repeats. Then the naive replayer
(tests/replayer/naive.c: condition variables hand the turn on after every call) and
hakreplay in lockstep execute the same trace on glibc, in turn; the ratio is that of the medians.
Every measurement is one JSON line in the file.
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
    for threads, events in ((1, 300_000), (4, 150_000), (64, 150_000)):
        path = folder / f"made-{threads}.zst"
        done(GENERATE, f"--events={events}", f"--threads={threads}", "--live=2000", path)
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


def replays(trace: Path, allocator: str, schedule: str, repeats: int) -> list[float]:
    """Nanoseconds per call of each repeat."""
    lines = trace.with_suffix(".jsonl")
    lines.unlink(missing_ok=True)
    done(
        HAKREPLAY, trace, "--alloc", allocator, "--schedule", schedule, "--touch", "none",
        "--repeat", str(repeats), "--json", lines,
    )  # fmt: skip
    return [json.loads(line)["ns_per_op"] for line in lines.read_text().splitlines()]


def measure(trace: Path) -> Iterator[dict[str, Any]]:
    """All measurements of one trace."""
    facts = info(trace)
    known = {"trace": trace.name, "threads": facts["threads"], "events": facts["events"]}
    for schedule in ("lockstep", "parallel"):
        loop = replays(trace, "null", schedule, REPEATS)
        best, median = min(loop), statistics.median(loop)
        yield known | {"what": f"loop {schedule}", "best_ns": best, "median_ns": median}
    if facts["threads"] == 1:
        return
    naive, lockstep = [], []
    for _ in range(NAIVE_REPEATS):
        naive.append(float(done(NAIVE, trace)))
        lockstep += replays(trace, "glibc", "lockstep", 1)
    for what, values in (("naive on glibc", naive), ("lockstep on glibc", lockstep)):
        best, median = min(values), statistics.median(values)
        yield known | {"what": what, "best_ns": best, "median_ns": median}
    ratio = statistics.median(naive) / statistics.median(lockstep)
    yield known | {"what": "naive / lockstep", "ratio": ratio}


def main() -> None:
    """Measures, writes the file, prints the table."""
    parser = argparse.ArgumentParser(description="what the replay itself costs")
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{'trace':20} {'threads':>7} {'':18} {'best':>12} {'median':>12}")
    with tempfile.TemporaryDirectory() as folder, out.open("w") as lines:
        for trace in traces(Path(folder)):
            for row in measure(trace):
                lines.write(json.dumps(row) + "\n")
                name = f"{row['trace']:20} {row['threads']:7} {row['what']:18}"
                if "ratio" in row:
                    print(f"{name} {'':12} {row['ratio']:11.1f}x", flush=True)
                else:
                    best, median = row["best_ns"], row["median_ns"]
                    print(f"{name} {best:9.1f} ns {median:9.1f} ns", flush=True)


if __name__ == "__main__":
    main()
