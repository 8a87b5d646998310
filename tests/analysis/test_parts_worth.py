"""What parts are worth, on a small trace with known uses."""

from __future__ import annotations

import sys
from pathlib import Path

import haktrace
import pytest
from command import BUILD, run
from handmade import scribe


def made(folder: Path, sizes: list[int], site: int = -1, together: bool = False) -> Path:
    """A trace that allocates and frees blocks of these sizes, one after another or all together."""
    lines = ["thread 1 0 -1 main", "module 0 0x1000 00ff11223344556677 /usr/bin/app"]
    lines.append("site 0 64 32")
    born = [f"event 0 0 1 {size} 0 {n} -1 {site} 0 0" for n, size in enumerate(sizes)]
    died = [f"event 0 0 5 0 0 -1 {n} -1 0 0" for n in range(len(sizes))]
    events = (
        born + died
        if together
        else [event for pair in zip(born, died, strict=True) for event in pair]
    )
    return scribe(folder / "made.zst", [*lines, *events, "end 0 0 0 0"])


def test_parts_in_use_and_ratios(tmp_path: Path) -> None:
    parts = haktrace.ablate([made(tmp_path, [100] * 2000 + [3 << 20] * 40)], repeat=4)
    assert list(parts.index) == [("made", part) for part in ("tls", "tiny", "whale")]
    # Each of 40 Whales is mapped anew without the cache: all of its 768 pages are touched again.
    assert parts["faults"].loc[("made", "whale"), "ratio"] > 10
    assert parts["faults"].loc[("made", "whale"), "distinct"]
    assert (parts["time"]["repeats"] == 4).all()


def test_optional_parts_are_left_out_of_a_whole_that_has_them(tmp_path: Path) -> None:
    """Rules are found for a large block that comes often enough."""
    (tmp_path / "a").mkdir()
    few = made(tmp_path / "a", [50000] * 10, site=0)
    many = made(tmp_path, [50000] * 20, site=0)
    bare, ruled = (haktrace.ablate([t], 1, optional=True) for t in (few, many))
    assert [part for _, part in bare.index] == ["tls", "l25", "learn"]
    assert [part for _, part in ruled.index] == ["tls", "l25", "rules", "learn"]


def test_as_text_what_hakreplay_says(tmp_path: Path) -> None:
    """The same parts and, but for a page or two a run, the same memory as in the terminal's table.

    Without Tiny a block of 16 bytes takes the room of a Mid one.
    """
    path = made(tmp_path, [16] * 20000 + [3 << 20], together=True)
    words = [sys.executable, "-W", "error", "-m", "haktrace.worth", "--repeat", "1", path]
    done = run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["made", part] for part in ("tls", "tiny", "whale")]
    shown = run(BUILD / "hakreplay", path, "--ablate", "-s", "lockstep", "-n", "1").stdout
    table = [line.split() for line in shown.split("\n\n")[2].splitlines()[1:]]
    memory = {row[0]: float(row[3].strip("~%")) for row in table if len(row) == 5}
    for row in rows:
        ratio = float(row[row.index("rss") + 1].strip("~"))
        assert ratio == pytest.approx(1 + memory[row[1]] / 100, rel=0.02), table
    assert memory["tiny"] > 100
    assert abs(memory["tls"]) < 2


def test_a_trace_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(haktrace.TraceError, match=r"none\.zst"):
        haktrace.ablate([tmp_path / "none.zst"])
