"""learn=ucb1: the same in every replay in lockstep, and off unless asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import BUILD, ROOT, run

pytestmark = pytest.mark.skipif(
    "/config/" in str(BUILD),
    reason="a sanitizer's own malloc comes first",
)

TRACE = ROOT / "traces" / "samples" / "redis.zst"
EPOCH = 16384
STEP = 4096


def replays(options: str, folder: Path, repeat: int = 1) -> list[dict[str, Any]]:
    """What hakmem counted in each of some replays in lockstep."""
    results = folder / "results.jsonl"
    results.unlink(missing_ok=True)
    done = run(
        *(BUILD / "hakreplay", TRACE, "--alloc", "hakmem", "--schedule", "lockstep"),
        *("--repeat", repeat, "--hakmem", options, "--json", results),
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["allocator_stats"] for line in results.read_text().splitlines()]


def test_learns_the_same_each_time(tmp_path: Path) -> None:
    first, second = replays("learn=ucb1", tmp_path, repeat=2)
    assert first == second
    facts = json.loads(run(BUILD / "haktrace", "info", "--json", TRACE).stdout)
    # An allocation is counted; of reallocs, those that move. Each thread may be in a step.
    most = (facts["allocs"] + facts["reallocs"]) // EPOCH
    least = (facts["allocs"] - facts["failed_allocs"] - 3 * STEP) // EPOCH
    assert least <= first["learn_epochs"] <= most
    assert least > 10
    assert first["learn_setting"] < 8


def test_is_off_unless_asked_for(tmp_path: Path) -> None:
    bare, off = replays("tls=1", tmp_path)[0], replays("learn=off", tmp_path)[0]
    assert bare == off
    assert (bare["learn_epochs"], bare["learn_setting"]) == (0, 0)


def test_unknown_policy_is_reported() -> None:
    environ = {**os.environ, "LD_PRELOAD": str(BUILD / "libhakmem.so")}
    done = run("/bin/true", env=environ | {"HAKMEM_OPTIONS": "learn=ucb2"})
    assert (done.returncode, done.stderr) == (
        0,
        "hakmem: HAKMEM_OPTIONS has a value that is not off or ucb1 for 'learn'\n",
    )
