"""Results read from JSON lines, and the statistics of their comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from haktrace import (
    TraceError,
    compare,
    latency_quantiles,
    latency_rows,
    memory_series,
    read_results,
)
from handresults import MEASURED, random_results, result, write_results
from scipy import stats


def read(tmp_path: Path, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return read_results(write_results(tmp_path / "results.jsonl", rows))


def test_read_results(tmp_path: Path) -> None:
    big = 2**60 + 1
    found = read(
        tmp_path,
        [result(wall_ns=big, latency={"p50": 1}), result(repeat=1, syscalls=7)],
    )
    assert found["wall_ns"].tolist() == [big, 80_000_000]
    assert found["syscalls"].tolist() == [pd.NA, 7]
    assert found["ns_per_op"].dtype == np.float64
    assert found["latency"].tolist() == [{"p50": 1}, None]
    assert found["machine"][1]["processors"] == 2
    assert found["allocator"].tolist() == ["glibc", "glibc"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"results\.jsonl: holds no result"),
        ("{}\n", r"results\.jsonl:1: lacks the field trace"),
        (json.dumps(result()) + "\n\n{oops\n", r"results\.jsonl:3: not JSON"),
        ("[1]\n", r"results\.jsonl:1: not a JSON object"),
        (
            json.dumps(result(wall_ns="fast")),
            r"results\.jsonl: a field is of the wrong type",
        ),
    ],
)
def test_unreadable_results(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(TraceError, match=reason):
        read_results(path)


def test_missing_results(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"none\.jsonl: No such file"):
        read_results(tmp_path / "none.jsonl")


def test_compare(tmp_path: Path) -> None:
    times = {
        "glibc": [100, 104, 96, 102, 98],
        "fast": [50, 49, 51, 52, 48],
        "same": [99, 105, 97, 101, 100],
    }
    rows = [
        result(allocator=name, repeat=n, wall_ns=value)
        for name, values in times.items()
        for n, value in enumerate(values)
    ]
    table = compare(read(tmp_path, rows), "wall_ns").droplevel([0, 1, 2])
    assert table.index.tolist() == ["glibc", "fast", "same"]
    assert table["repeats"].tolist() == [5, 5, 5]
    assert table["median"].tolist() == [100, 50, 100]
    # P(median of 5 resampled <= the smallest) = 0.0579 > 0.025: the interval is the whole range.
    assert table["low"].tolist() == [96, 48, 97]
    assert table["high"].tolist() == [104, 52, 105]
    assert table["ratio"].tolist() == [1, 0.5, 1]
    assert table["distinct"].tolist() == [False, True, False]
    # All of one sample below all of the other: 2 of the 252 ways to divide 10 ranks.
    assert table["p"]["fast"] == pytest.approx(2 / 252)
    assert table["p"]["glibc"] == 1
    assert table["ratio_low"]["fast"] < 0.5 < table["ratio_high"]["fast"] < 0.6


def test_too_few_repeats_tell_nothing(tmp_path: Path) -> None:
    rows = [
        result(allocator=a, repeat=n, wall_ns=w)
        for a, w in [("glibc", 100), ("b", 1)]
        for n in range(3)
    ]
    assert not compare(read(tmp_path, rows), "wall_ns")["distinct"].any()
    one = compare(read(tmp_path, rows[2:4]), "wall_ns")
    assert one[["low", "high", "ratio_low", "p"]].isna().all(axis=None)
    assert one["ratio"].tolist() == [1, 0.01]


def test_what_was_not_measured_is_null(tmp_path: Path) -> None:
    rows = [result(allocator=a, repeat=n) for a in ("glibc", "b") for n in range(5)]
    table = compare(read(tmp_path, rows), "syscalls")
    assert table["repeats"].tolist() == [0, 0]
    assert table[["median", "low", "ratio", "p"]].isna().all(axis=None)
    rows = [row for row in rows if row["allocator"] == "b"]
    table = compare(read(tmp_path, rows), "wall_ns")
    assert table["median"].tolist() == [80_000_000]
    assert table["ratio"].isna().all()


def test_traces_and_schedules_are_kept_apart(tmp_path: Path) -> None:
    table = compare(read(tmp_path, random_results(1)), "wall_ns")
    schedules = table.index.get_level_values("schedule")
    assert schedules.tolist() == ["lockstep"] * 5 + ["parallel"] * 5
    base = table.xs("glibc", level="allocator")
    assert base["ratio"].tolist() == [1, 1]
    assert base["median"].iloc[1] > 1.2 * base["median"].iloc[0]


def test_ranks_are_tested_as_scipy_does(tmp_path: Path) -> None:
    rows = [row for row in random_results(5, repeats=9) if row["schedule"] == "lockstep"]
    table = compare(read(tmp_path, rows), "wall_ns").droplevel([0, 1, 2])
    walls = pd.DataFrame(rows).groupby("allocator")["wall_ns"]
    for name in table.index:
        test = stats.mannwhitneyu(walls.get_group(name), walls.get_group("glibc"), method="exact")
        assert name == "glibc" or table["p"][name] == pytest.approx(test.pvalue)


def test_memory_over_the_trace(tmp_path: Path) -> None:
    rows = [result(allocator=a, repeat=n, **MEASURED) for n in range(2) for a in ("glibc", "b")]
    series = memory_series(read(tmp_path, rows))
    assert series["allocator"].tolist() == ["glibc"] * 3 + ["b"] * 3
    assert series["ops"].tolist() == [10, 20, 30] * 2
    assert (series["rss_bytes"] - series["live_bytes"] == series["overhead_bytes"]).all()
    assert series["free_bytes"].tolist() == [1, 2, 3] * 2
    assert memory_series(read(tmp_path, [result()])).empty


def test_latencies(tmp_path: Path) -> None:
    rows = [result(repeat=n, **MEASURED) for n in range(3)]
    results = read(tmp_path, rows)
    assert latency_rows(results)["count"].tolist() == [30, 20] * 3
    assert latency_rows(results)["kind"].tolist() == ["all", "free"] * 3
    table = latency_quantiles(results)
    assert table["quantile"].tolist() == ["p50", "p90", "p99", "p99.9", "p99.99", "max"]
    assert table["median"].tolist() == [10, 20, 30, 40, 50, 60]
    assert table["low"].tolist() == table["high"].tolist() == table["median"].tolist()
    assert latency_quantiles(results, "free")["median"].tolist() == [1, 2, 3, 4, 5, 6]
    assert latency_quantiles(read(tmp_path, [result()])).empty
