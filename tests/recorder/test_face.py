"""What hakrec shows: the live line on a terminal, the summary at the end."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path

from command import run
from program import clean_environ
from recording import HAKREC, WORKLOADS, record
from screen import Screen
from terminal import COLUMNS, ROWS, Terminal

WAITER = WORKLOADS / "waiter"
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
LIVE = "hakrec: 1,234 events, 0/s, 1.2 MiB live, 1 thread, 0 lost, "


def shown_line(text: str, colour: bool = True) -> str:
    """The sequence that shows a line that begins with a text on the last row."""
    return f"\x1b7\x1b[{ROWS};1H\x1b[K{DIM if colour else ''}{text}"


def recorded(terminal: Terminal, *options: str | Path, words: str = "1234 1000") -> None:
    """Types the command line that records the waiter."""
    line = " ".join(map(str, (HAKREC, *options, "-o", "trace.zst", WAITER, words)))
    terminal.send(f"{line}; echo status $?\n")


def test_live_line(terminal: Terminal, tmp_path: Path) -> None:
    """It stands on the last row, the program's output elsewhere, and it goes before the summary."""
    screen = Screen(ROWS, COLUMNS)
    terminal.send("clear; seq 30\n")
    screen.feed(terminal.expect("30\r\n$ ").partition("\x1b[3J")[2])
    recorded(terminal)
    screen.feed(terminal.expect(shown_line(LIVE)))
    screen.feed(terminal.expect("\x1b8"))
    assert re.fullmatch(re.escape(LIVE) + r"\d+ B written", screen.text[-1])
    assert screen.text[-2] == "$ ready"
    terminal.send("one line\n")
    screen.feed(terminal.expect("status 3\r\n"))
    summary = f"hakrec: trace.zst: 2468 events, 1 threads, {per_event(tmp_path)}, 0 lost"
    assert screen.text[-6:] == ["29", "30", "$ readyone line", summary, "status 3", ""]


def per_event(folder: Path) -> str:
    """What the summary says of the trace's size."""
    return f"{(folder / 'trace.zst').stat().st_size / 2468:.2f} bytes per event"


def test_no_colour(tmp_path: Path) -> None:
    with Terminal(tmp_path, NO_COLOR="1") as terminal:
        recorded(terminal)
        terminal.expect(shown_line(LIVE, colour=False))
        terminal.send("\n")
        assert "\x1b[2m" not in terminal.expect("status 3")


def test_several_processes(terminal: Terminal) -> None:
    recorded(terminal, words="100 1000 3")
    # The children inherit nothing but what their parent had: no block yet.
    terminal.expect(shown_line("hakrec: 3 processes, 300 events, 0/s, 293 KiB live, 3 threads, "))
    terminal.send("\n\n\n")
    terminal.expect("status 3")


WAITING = f"-o trace.zst {WAITER} 1234 1000"
NOT_SHOWN = {
    "unwanted": f"{HAKREC} --quiet {WAITING}",
    "no such terminal": f"export TERM=dumb; {HAKREC} {WAITING}",
    "in the background": f"mkfifo end; {HAKREC} {WAITING} <end & exec 3>end",
    "keys are read one by one": f"stty -icanon; {HAKREC} {WAITING}; stty icanon",
    "not for the terminal": f"{HAKREC} {WAITING} 2>/dev/null",
}


def test_no_live_line(tmp_path: Path) -> None:
    """Where it is not wanted, or would disturb: the program's output alone."""
    shown = {}
    with contextlib.ExitStack() as stack:
        terminals = {}
        for case, line in NOT_SHOWN.items():
            (tmp_path / case).mkdir()
            terminals[case] = stack.enter_context(Terminal(tmp_path / case))
            terminals[case].send(f"{line}\n")
        for case, terminal in terminals.items():
            shown[case] = terminal.expect("ready")
        # Twice the time after which the line would come.
        time.sleep(2)
        for case, terminal in terminals.items():
            end = "echo >&3; wait" if "mkfifo" in NOT_SHOWN[case] else ""
            terminal.send(f"{end}\necho all $?\n")
            shown[case] += terminal.expect("all ")
    for case, text in shown.items():
        assert "\x1b" not in text.replace("\x1b[?2004", ""), case
        assert "events, " not in text.replace("2468 events, ", ""), case


def test_not_on_a_terminal(tmp_path: Path) -> None:
    done = record(tmp_path, WAITER, "5", "100", options=(), input="x\n").done
    assert (done.returncode, done.stdout) == (3, "readyx\n")
    size = (tmp_path / "trace.zst").stat().st_size
    said = f"10 events, 1 threads, {size / 10:.2f} bytes per event, 0 lost"
    assert done.stderr == f"hakrec: {tmp_path}/trace.zst: {said}\n"


def test_hidden_while_stopped(terminal: Terminal) -> None:
    """Ctrl-Z gives the terminal back to the shell, fg shows the line again."""
    recorded(terminal)
    terminal.expect(shown_line(LIVE))
    terminal.send("\x1a")
    terminal.expect(f"\x1b7\x1b[r\x1b[{ROWS};1H\x1b[K\x1b8")
    assert "\x1b[2m" not in terminal.expect("Stopped")
    terminal.send("fg\n")
    terminal.expect(shown_line(LIVE))
    terminal.send("x\n")
    terminal.expect("2468 events")


def test_summary_as_json(tmp_path: Path) -> None:
    """One object a trace, each with every field."""
    done = record(tmp_path, WAITER, "5", "100", "2", options=("--json",), input="x\n").done
    objects = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(objects) == 2
    own = next(o for o in objects if o["trace"] == f"{tmp_path}/trace.zst")
    size = (tmp_path / "trace.zst").stat().st_size
    assert own == {
        "trace": f"{tmp_path}/trace.zst",
        "events": 10,
        "threads": 1,
        "file_bytes": size,
        "bytes_per_event": size / 10,
        "lost_events": 0,
        "late_events": 0,
        "repaired_events": 0,
        "foreign_frees": 0,
        "peak_live_bytes": 500,
        "complete": True,
    }


def test_summary_of_no_calls(tmp_path: Path) -> None:
    command = (HAKREC, "--json", "-o", tmp_path / "t.zst", WAITER, "0", "0", "1")
    done = run(*command, env=clean_environ(), input="")
    said = json.loads(done.stderr)
    assert said["events"] == 0
    assert said["bytes_per_event"] is None
