"""hakreplay compare: two files of results, for people and for CI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, run
from haktrace import compare, read_results
from handresults import result, write_results

HAKREPLAY = BUILD / "hakreplay"
NOISE = (0, 3, -2, 1, -1, 2, -3, 4, -4, 0)


def results(path: Path, allocator: str = "glibc", time: float = 100, **fields: Any) -> Path:
    """Ten repeats around a time."""
    rows = [
        result(allocator=allocator, repeat=n, ns_per_op=time * (1 + noise / 1000), **fields)
        for n, noise in enumerate(NOISE)
    ]
    return write_results(path, rows)


def test_slower_is_told_and_fails(tmp_path: Path) -> None:
    before = results(tmp_path / "a.jsonl")
    after = results(tmp_path / "b.jsonl", time=110)
    done = run(HAKREPLAY, "compare", before, after)
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}
    assert rows["time"][1:6] == ["100.0", "ns", "110.0", "ns", "1.10x"]
    assert rows["time"][-1] == "0.0000"
    assert "~1.00x" in rows["rss"]
    for condition, status in {
        "time>1.05": 1,
        "time>1.15": 0,
        "time<0.9": 0,
        "rss>0.9": 0,
        "rss>1.1 or time>1.05": 1,
        "rss>1.1 and time>1.05": 0,
    }.items():
        done = run(HAKREPLAY, "compare", "--fail-if", condition, before, after)
        assert (done.returncode, done.stderr) == (status, ""), condition
        assert (f"  {condition} holds\n" in done.stdout) == bool(status)


def test_noise_never_fails(tmp_path: Path) -> None:
    """One run in ten is twice as slow: the interval does not leave 1."""
    before = results(tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in before.read_text().splitlines()]
    rows[0]["ns_per_op"] *= 2
    after = write_results(tmp_path / "b.jsonl", rows)
    done = run(HAKREPLAY, "compare", before, after, "--fail-if", "time>1")
    assert done.returncode == 0
    assert "~1.00x" in done.stdout


def test_figures_are_those_of_the_package(tmp_path: Path) -> None:
    before = results(tmp_path / "a.jsonl")
    after = results(tmp_path / "b.jsonl", "hakmem", time=103)
    both = tmp_path / "both.jsonl"
    both.write_text(before.read_text() + after.read_text())
    table = compare(read_results(both), "ns_per_op").droplevel([0, 1, 2])
    after = results(tmp_path / "b.jsonl", time=103)
    done = run(HAKREPLAY, "compare", before, after)
    row = table.loc["hakmem"]
    interval = f"{row['ratio_low']:.3f} .. {row['ratio_high']:.3f}"
    assert f"{row['ratio']:.2f}x  {interval} {row['p']:8.4f}\n" in done.stdout


def test_groups_are_compared_each_with_its_like(tmp_path: Path) -> None:
    before = results(tmp_path / "a.jsonl", schedule="parallel")
    before.write_text(before.read_text() + results(tmp_path / "x", "jemalloc").read_text())
    after = results(tmp_path / "b.jsonl", "jemalloc", time=150)
    after.write_text(after.read_text() + results(tmp_path / "x", "mimalloc").read_text())
    done = run(HAKREPLAY, "compare", before, after, "--fail-if", "time>1.4")
    assert done.returncode == 1
    assert done.stdout.count("repeats against") == 1
    assert f"glibc on parallel (redis.zst) is only in {before}" in done.stdout
    assert f"mimalloc on lockstep (redis.zst) is only in {after}" in done.stdout


def test_other_settings_are_told(tmp_path: Path) -> None:
    before = results(tmp_path / "a.jsonl")
    after = results(tmp_path / "b.jsonl", options={"touch": "none"})
    assert "options or machine differ" in run(HAKREPLAY, "compare", before, after).stdout
    assert "machine differ" not in run(HAKREPLAY, "compare", before, before).stdout


def test_settings_that_differ_within_a_file_are_told(tmp_path: Path) -> None:
    """A file that was appended to with other options."""
    one = results(tmp_path / "a.jsonl")
    both = results(tmp_path / "b.jsonl", options={"touch": "none"})
    both.write_text(one.read_text() + both.read_text())
    differ = "options or machine differ within"
    assert f"{differ} B\n" in run(HAKREPLAY, "compare", one, both).stdout
    assert f"{differ} A\n" in run(HAKREPLAY, "compare", both, one).stdout
    assert f"{differ} A and B\n" in run(HAKREPLAY, "compare", both, both).stdout
    assert differ not in run(HAKREPLAY, "compare", one, one).stdout


def test_few_repeats_are_no_claim(tmp_path: Path) -> None:
    path = write_results(tmp_path / "a.jsonl", [result()])
    done = run(HAKREPLAY, "compare", path, path, "--fail-if", "time>=1")
    assert done.returncode == 0
    assert "fewer than 10 repeats" in done.stdout


def test_latency_is_compared_where_measured(tmp_path: Path) -> None:
    slow = {"calls": [{"kind": "all", "p50_ns": 20, "p99_ns": 900.5, "p99.9_ns": 5000}]}
    fast = {"calls": [{"kind": "all", "p50_ns": 20, "p99_ns": 300.5, "p99.9_ns": 5000}]}
    before = results(tmp_path / "a.jsonl", latency=fast)
    after = results(tmp_path / "b.jsonl", latency=slow)
    done = run(HAKREPLAY, "compare", before, after, "--fail-if", "p99>2")
    assert (done.returncode, done.stderr) == (1, "")
    assert "300.5 ns     900.5 ns     3.00x" in done.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no result"),
        ("{}\n", ":1: lacks the text trace"),
        (json.dumps(result()) + "\n{oops\n", ":2: not JSON: "),
        ("[1]\n", ":1: not a JSON object"),
    ],
)
def test_unreadable_results(tmp_path: Path, text: str, reason: str) -> None:
    good = results(tmp_path / "good.jsonl")
    bad = tmp_path / "bad.jsonl"
    bad.write_text(text)
    for pair in ((good, bad), (bad, good)):
        done = run(HAKREPLAY, "compare", *pair)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"hakreplay: {bad}" in done.stderr and reason in done.stderr


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    one = results(tmp_path / "a.jsonl")
    other = results(tmp_path / "b.jsonl", trace_digest="0")
    done = run(HAKREPLAY, "compare", one, other, "--fail-if", "time>1")
    assert done.returncode == 1
    assert "have no trace, schedule and allocator in common" in done.stderr
    done = run(HAKREPLAY, "compare", one, one, "--fail-if", "p99>1")
    assert done.returncode == 1
    assert f"{one}: no p99 of glibc on lockstep was measured (--latency does)" in done.stderr
    done = run(HAKREPLAY, "compare", one, tmp_path / "none.jsonl")
    assert done.returncode == 1
    assert "none.jsonl: No such file or directory" in done.stderr
    done = run(HAKREPLAY, "compare", one, tmp_path)
    assert (done.returncode, done.stderr) == (1, f"hakreplay: {tmp_path}: Is a directory\n")


def test_wrong_usage(tmp_path: Path) -> None:
    one = results(tmp_path / "a.jsonl")
    for words in ([], [one], [one, one, one], [one, one, "--fail-if", "time"], [one, one, "--x"]):
        done = run(HAKREPLAY, "compare", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("hakreplay compare: ")
    assert "--fail-if" in run(HAKREPLAY, "compare", "--help").stdout
