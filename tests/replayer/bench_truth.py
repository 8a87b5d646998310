"""`make bench-truth`: does the replay of a trace say what the program itself shows?

Each program runs for real under every allocator, preloaded and proven to be the one that answers,
and its trace is replayed on the same ones: in `parallel` for the times, and for the peak of memory
`paced`, since some allocators give memory back by the clock. For every two allocators whose live
difference is larger than noise, the replay has to put them in the same order, by peak of resident
heap and by the program's processor and wall time; and the replayed peak has to be within 10 % of
the live one. All goes in rounds: a recording of its own in each, since threads that race make other
calls every time, then the live runs in an order that chance makes. A difference is larger
than noise when it can be told (statistic.h) and is beyond the A/A difference of both allocators:
what every other run of one allocator differs from the rest by. It prints the table of
BENCHMARKS.md: peaks of the heap, live and replayed, in MiB, and how many of the pairs that differ
live are kept; then those that are not, and the largest A/A difference of each measure. Every run is
a JSON line in the file.

The live peak is the kernel's (VmHWM) less mapped files, written pages of them too, and the first
thread's stack, as they are at the end of the program, and less what the program maps itself, as it
was then (witness.c).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "recorder")]

from bench_recorder import CC1PLUS, done_well  # noqa: E402
from command import BUILD  # noqa: E402
from haktrace.binding import statistic  # noqa: E402
from program import Program, execute, missing  # noqa: E402
from programs import GIT, PYTHON, REDIS, SQLITE  # noqa: E402

MIXED = Program(
    name="mixed",
    argv=lambda scale: [
        *(str(BUILD / "tests/bench/allocator/mixed"), "2", str(150_000 * scale), "65536"),
    ],
    check=done_well,
    threads=2,
)
PROGRAMS = {
    "python": (PYTHON, 4),
    "g++": (CC1PLUS, 1),
    "sqlite3": (SQLITE, 4),
    "git": (GIT, 4),
    "redis": (REDIS, 2),
    "mixed": (MIXED, 1),
}
ALLOCATORS = ("hakmem", "glibc", "jemalloc", "tcmalloc", "mimalloc")
MEASURES = {"rss": "heap_peak_bytes", "cpu": "cpu_ns", "wall": "wall_ns"}
# What each kind of run tells, and the field that holds it.
FIELDS = {
    "live": MEASURES,
    "parallel": {"cpu": "cpu_ns", "wall": "wall_ns"},
    "paced": {"rss": "peak_rss_bytes"},
}

Run = dict[str, Any]
Samples = dict[str, dict[str, list[float]]]


def libraries(trace: Path) -> dict[str, str]:
    """Each allocator's file, as hakreplay finds it."""
    lines = trace.parent / "libraries.jsonl"
    command = [str(BUILD / "hakreplay"), str(trace), "-a", ",".join(ALLOCATORS)]
    subprocess.run([*command, "-n", "1", "--json", str(lines)], check=True, capture_output=True)
    rows = map(json.loads, lines.read_text().splitlines())
    return {row["allocator"]: row["allocator_path"] for row in rows}


def live_run(program: Program, scale: int, folder: Path, library: str, filled: bool) -> Run:
    """The program itself on an allocator."""
    witness = folder / "witness.json"
    witness.unlink(missing_ok=True)
    name = "libfillingwitness.so" if filled else "libwitness.so"
    preload = f"{BUILD / 'tests/replayer' / name}:{library}"
    environ = {"LD_PRELOAD": preload, "WITNESS": str(witness)}
    outcome = execute(program, folder, environ=environ, scale=scale)
    program.check(outcome, folder, scale)
    seen = json.loads(witness.read_text())
    assert Path(seen["malloc"]).samefile(library), seen
    return {
        "heap_peak_bytes": seen["heap_peak_bytes"],
        "cpu_ns": 1000 * seen["cpu_us"],
        "wall_ns": outcome.wall_ns,
    }


def record(program: Program, scale: int, folder: Path) -> Path:
    """The trace with the most events (of the program's own process)."""
    wrapper = [BUILD / "hakrec", "--quiet", "-o", folder / "trace.zst"]
    outcome = execute(program, folder, wrapper=wrapper, scale=scale)
    program.check(outcome, folder, scale)
    return folder / "trace.zst"


def replay_runs(trace: Path, schedule: str) -> Iterator[Run]:
    """hakreplay's results."""
    lines = trace.parent / "replay.jsonl"
    lines.unlink(missing_ok=True)
    command = [str(BUILD / "hakreplay"), str(trace), "-a", ",".join(ALLOCATORS)]
    subprocess.run(
        [*command, "-s", schedule, "-n", "1", "--json", str(lines)],
        check=True,
        capture_output=True,
    )
    for line in lines.read_text().splitlines():
        row = json.loads(line)
        del row["rss_series"]
        yield row


def measure(name: str, repeats: int, place: Path, filled: bool) -> Iterator[Run]:
    """All runs of one program, those of the allocators interleaved."""
    program, scale = PROGRAMS[name]
    folder = place / name
    folder.mkdir()
    program.prepare(folder, scale)
    turns: list[tuple[str, str]] = []
    for repeat in range(repeats):
        trace = record(program, scale, folder)
        turns = turns or list(libraries(trace).items())
        random.shuffle(turns)
        for allocator, library in turns:
            run = live_run(program, scale, folder, library, filled)
            yield {"program": name, "how": "live", "allocator": allocator, "repeat": repeat} | run
        for schedule in ("parallel", "paced"):
            for run in replay_runs(trace, schedule):
                yield run | {"program": name, "how": schedule, "repeat": repeat}


def far(ratio: float) -> float:
    """How far a ratio is from 1, the same both ways; nothing when it is not known."""
    return abs(math.log(ratio)) if ratio > 0 else 0.0


def own_noise(values: list[float]) -> float:
    """A/A: every other run of one allocator against the rest, the larger over the smaller."""
    if len(values) < 2:
        return math.inf
    return math.exp(far(statistics.median(values[::2]) / statistics.median(values[1::2])))


def differs(a: list[float], b: list[float]) -> bool:
    """Is there a difference larger than noise?"""
    found = statistic(a, b)
    return bool(found["distinct"]) and far(found["ratio"]) > far(max(own_noise(a), own_noise(b)))


def order_kept(measure_name: str, live: Samples, replayed: Samples) -> tuple[str, list[str]]:
    """Of the pairs that differ live, how many the replay puts in the same order; and the others."""
    told = 0
    wrong = []
    for a, b in itertools.combinations(ALLOCATORS, 2):
        truth = live[a][measure_name], live[b][measure_name]
        if not differs(*truth):
            continue
        told += 1
        found = replayed[a][measure_name], replayed[b][measure_name]
        before, after = (statistic(*samples)["ratio"] for samples in (truth, found))
        if (after > 1) != (before > 1):
            same = "" if differs(*found) else "~"
            wrong.append(f"{a} / {b} is {before:.3f} live, {same}{after:.3f} replayed")
    return f"{told - len(wrong)} of {told}", wrong


def peaks(live: Samples, replayed: Samples) -> Iterator[str]:
    """Each allocator's peak, live and replayed, in MiB."""
    for allocator in ALLOCATORS:
        truth, found = (
            statistics.median(samples[allocator]["rss"]) / 2**20 for samples in (live, replayed)
        )
        yield f"{truth:.1f}, {found:.1f} ({100 * (found / truth - 1):+.1f} %)"


def noise_words(samples: Samples) -> str:
    """The largest A/A ratio of each measure."""
    return ", ".join(
        f"{measure} {max(own_noise(samples[a][measure]) for a in ALLOCATORS):.3f}"
        for measure in MEASURES
    )


def row(*cells: str) -> None:
    """Prints one row of the table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Benchmarks what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=BUILD / "bench" / "truth.jsonl")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--fill",
        action="store_true",
        help="have the live runs write their small blocks whole, as a replay does (C programs)",
    )
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(PROGRAMS))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    titles = ("program", *ALLOCATORS, *(f"by {title}" for title in MEASURES))
    wrong, noise = [], []
    row(*titles)
    row(*("---" for _ in titles))
    with tempfile.TemporaryDirectory() as folder, options.out.open("w") as out:
        for name in options.programs or PROGRAMS:
            if absent := missing(PROGRAMS[name][0]):
                print(f"{name}: skipped, not installed: {', '.join(absent)}", file=sys.stderr)
                continue
            live: Samples = defaultdict(lambda: defaultdict(list))
            replayed: Samples = defaultdict(lambda: defaultdict(list))
            for run in measure(name, options.repeats, Path(folder), options.fill):
                out.write(json.dumps(run) + "\n")
                samples = live if run["how"] == "live" else replayed
                for measure_name, field in FIELDS[run["how"]].items():
                    samples[run["allocator"]][measure_name].append(run[field])
            kept = {measure: order_kept(measure, live, replayed) for measure in MEASURES}
            row(name, *peaks(live, replayed), *(counts for counts, _ in kept.values()))
            wrong += [f"{name}, {m}: {pair}" for m, (_, pairs) in kept.items() for pair in pairs]
            noise.append(f"{name}: {noise_words(live)} live, {noise_words(replayed)} replayed")
    print("\nA/A, the allocator that differs most from itself:", *noise, sep="\n")
    print("\n" + "\n".join(wrong or ["Every pair of allocators that differs live is kept."]))


if __name__ == "__main__":
    main()
