"""Benchmarks of allocators: hakmem and every one found, interleaved, each run a fresh process.

Writes one JSON object per run and prints a table per benchmark: median time per operation with its
spread, the median of the ratios to glibc in the same repetition, and the peak resident memory.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("HAK_BUILD", ROOT / "build"))
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")

ALLOCATORS = {
    "hakmem": BUILD / "libhakmem.so",
    "glibc": None,
    "jemalloc": LIBRARIES / "libjemalloc.so.2",
    "tcmalloc": LIBRARIES / "libtcmalloc_minimal.so.4",
    "mimalloc": LIBRARIES / "libmimalloc.so.2.0",
}


@dataclass(frozen=True)
class Benchmark:
    """A program of this folder and its arguments."""

    name: str
    program: str
    arguments: tuple[str, ...]


def larson(threads: int, rounds: int) -> Benchmark:
    """Both forms: a new thread each round, or after a thousand rounds."""
    form = "" if rounds == 1 else "-rounds"
    arguments = (str(threads), str(rounds), "1")
    return Benchmark(f"larson{form}-{threads}", "larson", arguments)


def plain(name: str, program: str, *arguments: int) -> Benchmark:
    """A benchmark whose arguments are numbers."""
    return Benchmark(name, program, tuple(str(argument) for argument in arguments))


BENCHMARKS = [
    *(larson(threads, 1) for threads in (1, 2, 4, 16)),
    *(larson(threads, 1000) for threads in (1, 2, 4, 16)),
    plain("pair-64", "pair", 64, 20_000_000),
    plain("batch-random", "batch", 10_000, 1024, 500, 2),
    plain("json-first", "large", 65_536, 1),
    plain("json", "large", 65_536, 1_000_000),
    plain("mir-first", "large", 262_144, 1),
    plain("mir", "large", 262_144, 300_000),
    plain("vm-first", "large", 2_097_152, 1),
    plain("vm", "large", 2_097_152, 20_000),
    plain("thrash-2", "scratch", 0, 2, 4000, 8),
    plain("scratch-2", "scratch", 1, 2, 4000, 8),
    plain("mixed-2", "mixed", 2, 2_000_000, 262_144, 100),
    plain("mixed-8", "mixed", 8, 200_000, 4_000_000, 300),
    plain("mixed-64", "mixed", 64, 50_000, 65_536, 100),
    plain("relay-64", "relay", 1, 5_000_000, 64),
    plain("relay-2000", "relay", 1, 2_000_000, 2000),
    plain("relay-100000", "relay", 1, 100_000, 100_000),
    plain("batches-1", "batches", 1, 2000, 1000),
    plain("batches-4", "batches", 4, 600, 1000),
    plain("phases", "phases", 50_000_000, 12),
]


def library_of(name: str) -> Path:
    """The file whose malloc has to answer."""
    preload = ALLOCATORS[name]
    return preload if preload else LIBRARIES / "libc.so.6"


def run_once(benchmark: Benchmark, name: str) -> dict[str, float]:
    """One run in a fresh process; raises when another allocator answered."""
    preload = ALLOCATORS[name]
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    if preload:
        environment["LD_PRELOAD"] = str(preload)
    program = BUILD / "tests" / "bench" / "allocator" / benchmark.program
    before = os.times()
    done = subprocess.run(
        [program, *benchmark.arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    after = os.times()
    figures = json.loads(done.stdout)
    answered = Path(figures["library"]).resolve()
    if answered != library_of(name).resolve():
        raise RuntimeError(f"{answered} answered instead of {library_of(name)}")
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {
        "ns_per_op": figures["seconds"] * 1e9 / figures["operations"],
        "cpu_ns_per_op": cpu * 1e9 / figures["operations"],
        "peak_rss_bytes": figures["peak_rss_kib"] * 1024,
    }


def machine() -> dict[str, str]:
    """What a reader needs to know to compare."""
    return {
        "kernel": platform.release(),
        "processor": platform.machine(),
        "cpus": str(os.cpu_count()),
    }


def median_of(rows: list[dict[str, float]], field: str) -> float:
    """The median of one figure."""
    return statistics.median(row[field] for row in rows)


def ratio_to_glibc(rows: dict[str, list[dict[str, float]]], name: str, field: str) -> float:
    """The median of the ratios within each repetition; above 1 is better than glibc."""
    pairs = zip(rows["glibc"], rows[name], strict=True)
    return statistics.median(base[field] / own[field] for base, own in pairs)


def show(benchmark: Benchmark, rows: dict[str, list[dict[str, float]]]) -> None:
    """The table of one benchmark."""
    print(f"{benchmark.name}")
    for name, runs in rows.items():
        times = sorted(run["ns_per_op"] for run in runs)
        print(
            f"  {name:<10}{statistics.median(times):>12.2f} ns"
            f"  [{times[0]:.2f} .. {times[-1]:.2f}]"
            f"  x{ratio_to_glibc(rows, name, 'ns_per_op'):.2f} glibc"
            f"  {median_of(runs, 'peak_rss_bytes') / 2**20:.1f} MiB",
            flush=True,
        )


def summary(results: dict[str, dict[str, list[dict[str, float]]]]) -> None:
    """Geometric means over all benchmarks: speed, and memory where above 10 MB."""
    names = next(iter(results.values())).keys()
    print("geometric means, as ratios to glibc")
    for name in names:
        speed = [ratio_to_glibc(rows, name, "ns_per_op") for rows in results.values()]
        lean = [
            median_of(rows[name], "peak_rss_bytes") / median_of(rows["glibc"], "peak_rss_bytes")
            for rows in results.values()
            if median_of(rows["glibc"], "peak_rss_bytes") > 10e6
        ]
        memory = f"{math.exp(statistics.fmean(map(math.log, lean))):.3f}" if lean else "-"
        mean = math.exp(statistics.fmean(map(math.log, speed)))
        print(f"  {name:<10} speed x{mean:.2f}  peak memory x{memory}")


def main() -> int:
    """The command line: make bench-allocator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10, help="runs of each (default 10)")
    parser.add_argument("--only", default="", help="benchmarks whose names contain this")
    parser.add_argument("--output", type=Path, default=BUILD / "bench" / "allocator.jsonl")
    options = parser.parse_args()
    found = [name for name in ALLOCATORS if library_of(name).exists()]
    for name in ALLOCATORS.keys() - set(found):
        print(f"{name} is missing: {library_of(name)}", file=sys.stderr)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, list[dict[str, float]]]] = {}
    with options.output.open("w") as output:
        for benchmark in (each for each in BENCHMARKS if options.only in each.name):
            rows: dict[str, list[dict[str, float]]] = {name: [] for name in found}
            for repeat in range(options.repeat):
                for name in found:
                    row = run_once(benchmark, name)
                    rows[name].append(row)
                    line = {
                        "benchmark": benchmark.name,
                        "allocator": name,
                        "repeat": repeat,
                    }
                    output.write(json.dumps({**line, **row, "machine": machine()}) + "\n")
            results[benchmark.name] = rows
            show(benchmark, rows)
    if results:
        summary(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
