"""hakreplay --ablate: hakmem without each of its parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import BUILD
from haktrace import compare, read_results
from replaying import replay, write

KIB, MIB = 1024, 1024 * 1024


def sizes(folder: Path, *blocks: int) -> Path:
    """A trace that allocates these."""
    return write(folder / "sizes.zst", *(f"0 1 {b} 0 {n} -1 0 0" for n, b in enumerate(blocks)))


def rows_of(table: str) -> dict[str, list[str]]:
    """Rows of the first table by their names."""
    lines = table.split("\n\n")[1].splitlines()[1:]
    return {line.split()[0]: line.split()[1:] for line in lines}


@pytest.mark.parametrize(
    ("blocks", "used"),
    [
        ((1, 1024), {"tls", "tiny"}),
        ((1025, 32 * KIB), {"tls"}),
        ((32 * KIB + 1,), {"tls", "l25"}),
        ((2 * MIB - 1,), {"tls", "l25"}),
        ((2 * MIB,), {"tls", "whale"}),
        ((0, 5 * MIB, 100 * KIB), {"tls", "tiny", "l25", "whale"}),
    ],
)
def test_parts_in_use_are_those_that_serve_the_sizes(
    tmp_path: Path, blocks: tuple[int, ...], used: set[str]
) -> None:
    done = replay(sizes(tmp_path, *blocks), "--ablate", "-n", "1")
    assert (done.returncode, done.stderr) == (0, "")
    rows = rows_of(done.stdout)
    assert next(iter(rows)) == "hakmem"
    assert {"tls", "tiny", "l25", "whale", "rules"} <= set(rows)
    assert {name for name, cells in rows.items() if cells != ["-"]} == {"hakmem", *used}


def test_results_say_what_was_left_out(tmp_path: Path) -> None:
    lines = tmp_path / "results.jsonl"
    trace = sizes(tmp_path, 100, 100_000)
    options = ("--ablate", "-n", "4", "-a", "glibc,hakmem", "--hakmem", "whale=0")
    done = replay(trace, *options, "--json", lines)
    assert (done.returncode, done.stderr) == (0, "")
    results = [json.loads(line) for line in lines.read_text().splitlines()]
    first = [(r["allocator"], r["options"]["ablate"], r["options"]["hakmem"]) for r in results[:5]]
    assert first == [
        ("glibc", None, None),
        ("hakmem", None, "whale=0"),
        ("hakmem", "tls", "whale=0,tls=0"),
        ("hakmem", "tiny", "whale=0,tiny=0"),
        ("hakmem", "l25", "whale=0,l25=0"),
    ]
    assert len({result["digest"] for result in results}) == 1
    # Switched off for real: the slabs of Tiny are gone, and so is the memory of a thread's cache.
    assert results[1]["allocator_stats"] != results[3]["allocator_stats"]
    table = compare(read_results(lines), "wall_ns", "hakmem").droplevel([0, 1, 2])
    assert table.index.tolist() == ["glibc", "hakmem"] + [
        f"hakmem without {part}" for part in ("tls", "tiny", "l25")
    ]
    assert table["repeats"].tolist() == [4] * 5


def test_rules_are_a_part(tmp_path: Path) -> None:
    rules = tmp_path / "empty.rules"
    rules.write_text("")
    done = replay(sizes(tmp_path, 100), "--ablate", "-n", "1", "--hakmem", f"rules={rules}")
    assert done.returncode == 0, done.stderr
    assert rows_of(done.stdout)["rules"] != ["-"]


def test_full_leaves_out_every_set(tmp_path: Path) -> None:
    done = replay(sizes(tmp_path, 100, 100_000), "--ablate=full", "-n", "1")
    names = [name for name, cells in rows_of(done.stdout).items() if cells != ["-"]]
    every = ["tls", "tiny", "tls+tiny", "l25", "tls+l25", "tiny+l25", "tls+tiny+l25"]
    assert names == ["hakmem", *every]


def test_ablation_needs_one_hakmem(tmp_path: Path) -> None:
    trace = sizes(tmp_path, 100)
    two = f"hakmem,mine={BUILD / 'libhakmem.so'}"
    for names in ("glibc", two):
        done = replay(trace, "--ablate", "-a", names)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--ablate: one hakmem has to be among the allocators" in done.stderr
    assert replay(trace, "--ablate=some").returncode == 2
