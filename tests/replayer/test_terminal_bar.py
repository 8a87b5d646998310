"""The bar that hakreplay shows on a terminal: it comes to the end of every run, and goes away."""

from __future__ import annotations

import itertools
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from replaying import ALLOCATORS, HAKREPLAY, make_random, replay, write
from screen import Screen

STEPS = re.compile(r"\r\x1b\[K([a-z]+) \[[#.]{24}\] +(\d+) %")
SHARES = re.compile(r"(\d/\d) (\w+) \[([#.]{24})\] +(\d+) %(?:  [0-9.]+ M calls/s  [0-9:]+ left)?")


def on_terminal(*command: object) -> str:
    """What a command that succeeds shows on a terminal as its standard error."""
    ours, theirs = pty.openpty()
    shown = bytearray()
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *map(str, command)],
        stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs,
    ) as child:  # fmt: skip
        os.close(theirs)
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # nobody has the other end any more
            pass
        os.close(ours)
        assert child.wait(60) == 0, shown
    return shown.decode()


WAYS = {
    "lockstep": ("-s", "lockstep"),
    "baton": ("-s", "lockstep", "--baton"),
    "parallel": ("-s", "parallel"),
    "copies": ("-s", "parallel", "--copies", "3"),
    "paced": ("-s", "paced", "--speed", "1000"),
    "streamed": ("-s", "parallel", "--memory", "10K"),
    "streamed lockstep": ("-s", "lockstep", "--memory", "10K"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_run_comes_to_its_end(tmp_path: Path, way: str) -> None:
    trace = make_random(tmp_path, 31, threads=6, rows=30000, live=300)
    shown = on_terminal(HAKREPLAY, trace, "-a", "hakmem,glibc", "-n", "2", *WAYS[way])
    shares: dict[tuple[str, str], list[int]] = {}
    for repeat, name, bar, percent in SHARES.findall(shown):
        shares.setdefault((repeat, name), []).append(int(percent))
        assert bar == "#" * bar.count("#") + "." * bar.count(".")
        assert 24 * int(percent) // 100 <= bar.count("#") <= 24 * (int(percent) + 1) // 100
    # glibc is the baseline: it runs twice a round.
    assert set(shares) == {(r, a) for r in ("1/2", "2/2") for a in ("null", "hakmem", "glibc")}
    for (_, name), seen in shares.items():
        again = sum(later < sooner for sooner, later in itertools.pairwise(seen))
        assert seen[0] == 0 and seen[-1] == 100 and again == (name == "glibc")
        assert all(sooner == 100 for sooner, later in itertools.pairwise(seen) if later < sooner)
    screen = Screen(2, 80)
    screen.feed(shown)
    assert screen.text == ["", ""]


def test_long_runs_show_what_is_left(tmp_path: Path) -> None:
    """400 calls in two seconds: there is a look before the end, at what is left."""
    trace = write(tmp_path / "slow.zst", *(f"0 1 8 0 {n} -1 0 0" for n in range(400)))
    slow = ("-s", "paced", "--speed", "0.0002")  # calls are 1 us apart
    shown = on_terminal(HAKREPLAY, trace, "-a", "null", "-n", "1", *slow)
    assert any(0 < int(percent) < 100 for *_, percent in SHARES.findall(shown))
    assert re.search(r" M calls/s  0:0[0-9] left", shown)


def test_reading_and_planning_are_shown(tmp_path: Path) -> None:
    trace = make_random(tmp_path, 31, threads=6, rows=30000, live=300)
    shown = on_terminal(HAKREPLAY, trace, "-a", "null", "-n", "1", "-s", "lockstep")
    steps: dict[str, list[int]] = {}
    for step, percent in STEPS.findall(shown):
        steps.setdefault(step, []).append(int(percent))
    assert list(steps) == ["reading", "planning"]
    for seen in steps.values():
        assert seen[0] == 0 and seen[-1] == 100 and seen == sorted(seen)
    assert shown.index("reading") < shown.index("planning") < shown.index("1/1 null")


def test_nothing_is_shown_elsewhere(tmp_path: Path) -> None:
    trace = make_random(tmp_path, 31, threads=6, rows=30000, live=300)
    assert replay(trace, "-a", ",".join(ALLOCATORS), "-n", "2").stderr == ""
