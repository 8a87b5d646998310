"""Results of replays made by hand, with every field that hakreplay writes."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ALLOCATORS = {"hakmem": 0.9, "glibc": 1.0, "jemalloc": 1.08, "tcmalloc": 0.86, "mimalloc": 0.9}


QUANTILES = ("p50_ns", "p90_ns", "p99_ns", "p99.9_ns", "p99.99_ns", "max_ns")


def _latency(kind: str, count: int, step: int) -> dict[str, Any]:
    row = {"kind": kind, "to_bytes": None, "sizes": "all", "place": None, "count": count}
    return row | {name: step * (n + 1) for n, name in enumerate(QUANTILES)}


# What only some results have.
MEASURED: dict[str, Any] = {
    "latency": {"timer_ns": 15, "calls": [_latency("all", 30, 10), _latency("free", 20, 1)]},
    "rss_series": {
        "ops": [10, 20, 30],
        "rss_bytes": [100, 200, 300],
        "live_bytes": [90, 150, 100],
        "overhead_bytes": [10, 50, 200],
        "rounding_bytes": [5, 10, 20],
        "free_bytes": [1, 2, 3],
        "rest_bytes": [4, 38, 177],
    },
}


def result(**fields: Any) -> dict[str, Any]:
    """One result; what is not given is as of a quiet run of glibc."""
    base = {
        "trace": "redis.zst",
        "trace_digest": "5f3a0d8c11e2b497",
        "allocator": "glibc",
        "allocator_path": "/lib/x86_64-linux-gnu/libc.so.6",
        "allocator_build": "93ec2a5f8ab6f4c9",
        "schedule": "lockstep",
        "repeat": 0,
        "options": {"touch": "pages", "check": False, "skew": None, "hakmem": ""},
        "ops": 2_000_000,
        "threads": 7,
        "wall_ns": 80_000_000,
        "cpu_ns": 79_000_000,
        "ns_per_op": 40.0,
        "loop_ns_per_op": 4.5,
        "peak_rss_bytes": 30_000_000,
        "recorded_peak_live_bytes": 24_000_000,
        "replayed_peak_live_bytes": 24_000_000,
        "minor_faults": 9000,
        "major_faults": 0,
        "voluntary_switches": 3,
        "involuntary_switches": 5,
        "syscalls": None,
        "digest": "aa11",
        "order_digest": "bb22",
        "check_errors": None,
        "latency": None,
        "rss_series": None,
        "allocator_stats": None,
        "machine": {
            "cpu": "AMD EPYC 9R14",
            "processors": 2,
            "memory_bytes": 24_000_000_000,
            "kernel": "6.18.0",
            "libc": "glibc 2.36",
        },
        "version": "0.1.0",
    }
    assert set(fields) <= set(base)
    return base | fields


def random_results(seed: int, repeats: int = 5) -> list[dict[str, Any]]:
    """Repeats of all allocators in both schedules, with noise."""
    rng = random.Random(seed)
    rows = []
    for schedule, slower in (("lockstep", 1.0), ("parallel", 1.4)):
        for repeat in range(repeats):
            for allocator, speed in ALLOCATORS.items():
                wall = int(80e6 * speed * slower * rng.lognormvariate(0, 0.02))
                memory = int(30e6 * (2 - speed) * rng.lognormvariate(0, 0.005))
                rows.append(
                    result(
                        allocator=allocator,
                        schedule=schedule,
                        repeat=repeat,
                        wall_ns=wall,
                        cpu_ns=int(wall * 0.98),
                        ns_per_op=wall / 2e6,
                        peak_rss_bytes=memory,
                        order_digest="bb22" if schedule == "lockstep" else None,
                    )
                )
    return rows


def write_results(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Results as a file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
