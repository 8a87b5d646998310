"""haktrace info, dump and verify: exact output, exit statuses, and what is said when it fails."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from command import BUILD, info, run

HAKTRACE = BUILD / "haktrace"
SCRIBE = BUILD / "tests" / "analysis" / "scribe"
GENERATE = BUILD / "tests" / "traces" / "generate"

MALLOC, REALLOC, FREE, MEMALIGN, DELETE_SIZED = 1, 3, 5, 6, 34
START, EXIT, INHERITED, LOST, MARK = range(64, 69)
FAILED, MOVED, FOREIGN, REPAIRED = 1, 2, 4, 8

TABLES = """\
fact program /usr/bin/app
fact command app --fast "a b"
fact pid 4711
fact backend preload
module 0x555500000000 0x2000 00ff /usr/bin/app
module 0x7f0000000000 0x2000 - /lib/libc.so.6
site 0 4560 96
site 1 0x2a1b0 2064
site -1 0x7f31c 0
thread 4711 0 -1 main
thread 4712 1900 2000 work"er
mark half\tway
"""
ROWS = """\
event 0 0 66 72 16 0 -1 -1 0 0
event 1200 0 1 72 0 1 -1 1 0 0
event 1300 0 6 100 64 2 -1 0 0 0
event 1400 0 3 300 0 3 1 0 2 0
event 1500 0 3 10 0 -1 -1 2 1 0
event 1550 0 3 18446744073709551615 0 -1 3 2 1 0
event 1600 0 3 0 0 -1 3 -1 0 0
event 1700 0 5 0 0 -1 2 0 0 0
event 1800 0 5 0 0 -1 -1 -1 4 0
event 1900 1 64 0 0 -1 -1 -1 0 0
event 1900 1 34 72 0 -1 0 0 8 0
event 1950 1 16 8 0 4 -1 0 0 0x7f12
event 1960 1 67 12 0 -1 -1 -1 0 0
event 1970 0 68 0 0 -1 -1 -1 0 0
event 2000 1 65 0 0 -1 -1 -1 0 0
"""
END = "end 2100 12 3 1\n"

DUMP = """\
0	0	inherited(72, align 16) = #0	-
1200	0	malloc(72) = #1	libc.so.6+0x2a1b0@2064
1300	0	memalign(100, align 64) = #2	app+0x11d0@96
1400	0	realloc(#1, 300) = #3	app+0x11d0@96	moved
1500	0	realloc(null, 10) = failed	0x7f31c@0	failed
1550	0	realloc(#3, 18446744073709551615) = failed	0x7f31c@0	failed
1600	0	realloc(#3, 0) = freed	-
1700	0	free(#2)	app+0x11d0@96
1800	0	free(foreign)	-	foreign
1900	1	thread_start(4712, "work\\"er")	-
1900	1	delete sized(#0, 72)	app+0x11d0@96	repaired
1950	1	new(8) = #4 at 0x7f12	app+0x11d0@96
1960	1	lost(12)	-
1970	0	mark("half\\tway")	-
2000	1	thread_exit()	-
"""


def scribe(path: Path, text: str) -> Path:
    """Writes a trace, row by row."""
    done = run(SCRIBE, path, input=text)
    assert done.returncode == 0, done.stderr
    return path


def row(
    time: int,
    thread: int,
    kind: int,
    *,
    size: int = 0,
    object: int = -1,
    old: int = -1,
    flags: int = 0,
) -> str:
    """One line for the scribe."""
    return f"event {time} {thread} {kind} {size} 0 {object} {old} -1 {flags} 0\n"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace with every sort of row."""
    return scribe(tmp_path_factory.mktemp("sample") / "sample.zst", TABLES + ROWS + END)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of several blocks."""
    path = tmp_path_factory.mktemp("large") / "large.zst"
    assert run(GENERATE, "--events", "200000", path).returncode == 0
    return path


def haktrace(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return run(HAKTRACE, *words)


def fails(done: subprocess.CompletedProcess[str], status: int, reason: str) -> None:
    assert done.returncode == status, done.stderr
    assert re.fullmatch(reason, done.stderr, re.S), done.stderr


# ---- info ----


def test_info(sample: Path) -> None:
    assert info(sample) == {
        "events": 10,
        "allocs": 3,
        "frees": 3,
        "reallocs": 4,
        "failed_allocs": 2,
        "threads": 2,
        "sites": 3,
        "stacks": 0,
        "stack_purity_ratio": None,
        "objects": 5,
        "remote_frees": 1,
        "peak_live_bytes": 472,
        "peak_live_objects": 3,
        "leaked_objects": 1,
        "leaked_bytes": 8,
        "measured_objects": 0,
        "measured_pages": None,
        "touched_pages_low": None,
        "touched_pages_high": None,
        "lost_events": 12,
        "late_events": 3,
        "repaired_events": 1,
        "foreign_frees": 1,
        "duration_ns": 2100,
        "file_bytes": sample.stat().st_size,
        "bytes_per_event": round(sample.stat().st_size / 10, 4),
        "complete": True,
        "end": None,
        "program": "/usr/bin/app",
        "command": 'app --fast "a b"',
        "pid": 4711,
        "backend": "preload",
        "format_version": 1,
    }


def test_info_of_a_cut_trace_counts_what_has_a_row(tmp_path: Path) -> None:
    """A block's threads are defined before it, so the definitions reach beyond a cut."""
    path, cut = tmp_path / "whole.zst", tmp_path / "cut.zst"
    command = (GENERATE, "--events=200000", "--threads=8", "--generations=20")
    assert run(*command, path).returncode == 0
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    shown = haktrace("dump", "--json", cut).stdout.splitlines()
    rows = [json.loads(line) for line in shown]
    figures = json.loads(haktrace("info", "--json", cut).stdout)
    assert figures["threads"] == len({row["thread"] for row in rows})
    assert figures["sites"] == len({row["site"] for row in rows} - {None})
    assert 8 < figures["threads"] < info(path)["threads"]


@pytest.mark.parametrize(
    ("fact", "pages"), [("", 100), ("fact page_bytes 16384\n", 25), ("fact page_bytes 0\n", 100)]
)
def test_info_counts_pages_of_the_recorded_machine(tmp_path: Path, fact: str, pages: int) -> None:
    trace = tmp_path / "large.zst"
    rows = f"event 0 0 {MALLOC} {100 * 4096} 0 0 -1 -1 0 0\nleft 0 7\n"
    text = f"{fact}thread 1 0 -1 main\n{rows}end 0 0 0 0\n"
    assert run(SCRIBE, trace, input=text).returncode == 0
    told = info(trace)
    assert (told["measured_pages"], told["touched_pages_high"]) == (pages, 7)


def test_info_as_text(sample: Path) -> None:
    done = haktrace("info", sample)
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(re.split(r" +", line, maxsplit=1) for line in done.stdout.splitlines())
    expected = {
        key: "unknown" if value is None else str(value) for key, value in info(sample).items()
    }
    expected["complete"] = "true"
    expected["bytes_per_event"] = f"{sample.stat().st_size / 10:.4f}"
    assert lines == expected


def test_info_of_nothing(tmp_path: Path) -> None:
    figures = info(scribe(tmp_path / "empty.zst", "end 0 0 0 0\n"))
    assert figures["events"] == figures["objects"] == figures["peak_live_bytes"] == 0
    for unknown in ("bytes_per_event", "program", "command", "pid", "backend"):
        assert figures[unknown] is None


def test_info_of_a_growing_trace(tmp_path: Path) -> None:
    path = scribe(tmp_path / "growing.zst", TABLES + ROWS)
    done = haktrace("info", "--json", path)
    fails(
        done,
        0,
        rf"haktrace: {path}: ends at byte \d+ without its last frame; 15 rows can be read\n",
    )
    figures = json.loads(done.stdout)
    assert (figures["complete"], figures["events"], figures["duration_ns"]) == (
        False,
        10,
        2000,
    )
    assert figures["lost_events"] is None
    assert figures["late_events"] is None


def test_info_of_a_damaged_trace(large: Path, tmp_path: Path) -> None:
    whole = large.read_bytes()
    path = tmp_path / "damaged.zst"
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    done = haktrace("info", "--json", path)
    fails(
        done,
        0,
        rf"haktrace: {path}: block \d at byte \d+: .*rows before it can be read\n",
    )
    figures = json.loads(done.stdout)
    assert figures["complete"] is False
    assert 0 < figures["events"] < 200000


# ---- dump ----


def test_dump(sample: Path) -> None:
    done = haktrace("dump", sample)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == DUMP


def test_dump_one_thread(sample: Path) -> None:
    lines = [line for line in DUMP.splitlines(keepends=True) if line.split("\t")[1] == "1"]
    assert haktrace("dump", "--thread", "1", sample).stdout == "".join(lines)


def test_dump_one_window(sample: Path) -> None:
    lines = DUMP.splitlines(keepends=True)
    done = haktrace("dump", "--from-ns=1400", "--to-ns", "1800", sample)
    assert done.stdout == "".join(lines[3:8])
    assert haktrace("dump", "--from-ns", "2001", sample).stdout == ""


def test_dump_json(sample: Path) -> None:
    rows = [json.loads(line) for line in haktrace("dump", "--json", sample).stdout.splitlines()]
    nothing = dict.fromkeys(["size", "align", "object", "old_object", "addr", "site"])
    nothing |= dict.fromkeys(["module", "offset", "height", "text", "birth_pages", "death_pages"])
    app = {"site": 0, "module": "/usr/bin/app", "offset": 4560, "height": 96}
    assert len(rows) == 15
    assert rows[0] == nothing | {
        "time_ns": 0,
        "thread": 0,
        "kind": "inherited",
        "size": 72,
        "align": 16,
        "object": 0,
        "flags": [],
    }
    assert rows[3] == nothing | app | {
        "time_ns": 1400,
        "thread": 0,
        "kind": "realloc",
        "size": 300,
        "object": 3,
        "old_object": 1,
        "flags": ["moved"],
    }
    assert rows[4] == nothing | {
        "time_ns": 1500,
        "thread": 0,
        "kind": "realloc",
        "size": 10,
        "site": 2,
        "offset": 0x7F31C,
        "flags": ["failed"],
    }
    assert rows[5]["size"] == 2**64 - 1
    assert rows[11]["addr"] == 0x7F12
    assert rows[13] == nothing | {
        "time_ns": 1970,
        "thread": 0,
        "kind": "mark",
        "flags": [],
        "text": "half\tway",
    }


def test_dump_agrees_with_info(large: Path) -> None:
    kinds = [line.split("\t")[2] for line in haktrace("dump", large).stdout.splitlines()]
    marks = ("thread_start(", "thread_exit(", "inherited(", "mark(")
    calls = [kind for kind in kinds if not kind.startswith(marks)]
    figures = info(large)
    assert len(calls) == figures["events"] == 200000
    assert sum(" = #" in kind for kind in kinds) == figures["objects"]


def test_dump_to_a_full_disk(large: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [HAKTRACE, "dump", large],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    fails(done, 1, "haktrace: standard output: No space left on device\n")


# ---- verify ----


def test_verify_says_nothing_when_all_is_well(sample: Path, large: Path) -> None:
    done = haktrace("verify", sample, large)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


ILLEGAL = {
    "double free": (
        row(2, 0, FREE, old=0),
        "free of object 0, which is dead",
    ),
    "realloc of the dead": (
        row(2, 0, REALLOC, size=9, old=0, object=2),
        "realloc of object 0, which is dead",
    ),
    "failed realloc of the dead": (
        row(2, 0, REALLOC, size=9, old=0, flags=FAILED),
        "realloc of object 0, which is dead",
    ),
    "call after exit": (
        row(2, 1, MALLOC, size=9, object=2),
        "thread 1 has exited before",
    ),
    "second exit": (
        row(2, 1, EXIT),
        "thread 1 has exited before",
    ),
    "start after a call": (
        row(2, 0, START),
        "thread 0 starts after its first row",
    ),
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_verify_illegal_order(case: str, tmp_path: Path) -> None:
    illegal, reason = ILLEGAL[case]
    legal = row(0, 0, MALLOC, size=1, object=0) + row(0, 0, MALLOC, size=1, object=1)
    legal += row(1, 0, FREE, old=0) + row(1, 1, EXIT)
    path = scribe(tmp_path / "illegal.zst", TABLES + legal + "flush\n" + illegal + END)
    message = f"haktrace: {path}: block 1 row 0: {reason}; the 4 rows before it are legal\n"
    fails(haktrace("verify", path), 1, re.escape(message))


@pytest.mark.parametrize("seed", range(1, 13))
def test_verify_finds_the_one_illegal_row(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "illegal.zst"
    place = run(GENERATE, "--events", "50000", "--illegal", "--seed", str(seed), path)
    reason = rf"haktrace: .*; the {int(place.stdout)} rows before it are legal\n"
    fails(haktrace("verify", path), 1, reason)
    done = haktrace("info", "--json", path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["complete"] is True


def test_verify_every_trace_of_several(sample: Path, tmp_path: Path) -> None:
    path = scribe(tmp_path / "growing.zst", TABLES + ROWS)
    done = haktrace("verify", path, sample, tmp_path / "none.zst")
    fails(
        done,
        1,
        rf"haktrace: {path}: ends at .*\n"
        rf"haktrace: {tmp_path}/none.zst: cannot open: No such file or directory\n",
    )


def test_verify_a_cut_trace(large: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.zst"
    path.write_bytes(large.read_bytes()[:-400000])
    fails(
        haktrace("verify", path),
        1,
        rf"haktrace: {path}: ends inside frame \d+ at byte \d+; \d+ rows before it can be read\n",
    )


def test_verify_damage(large: Path, tmp_path: Path) -> None:
    whole = large.read_bytes()
    path = tmp_path / "damaged.zst"
    for place in range(1000, len(whole), len(whole) // 20):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        fails(haktrace("verify", path), 1, rf"haktrace: {path}: .+\n")


# ---- usage ----


@pytest.mark.parametrize("command", [[], ["info"], ["dump"], ["verify"], ["import"], ["export"]])
def test_help(command: list[str]) -> None:
    done = haktrace(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: " + " ".join(["haktrace", *command]) + " ")
    done = haktrace(*command, "--version")
    assert re.fullmatch(r"haktrace \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "Usage: haktrace "),
        (["cut"], "haktrace: there is no command 'cut'"),
        (["info"], "Usage: haktrace info "),
        (["info", "a", "b"], "haktrace info: more than one trace"),
        (["info", "--fast", "a"], "haktrace info: unrecognized option '--fast'"),
        (["dump"], "Usage: haktrace dump "),
        (["dump", "--thread", "x", "a"], "haktrace dump: 'x' is not a number"),
        (["dump", "--thread", "-1", "a"], "haktrace dump: '-1' is not a number"),
        (
            ["dump", "--thread", "4294967296", "a"],
            "haktrace dump: '4294967296' is not a number",
        ),
        (["dump", "--to-ns", "0", "a"], "haktrace dump: nothing happens before 0"),
        (["verify"], "Usage: haktrace verify "),
        (["import", "x"], "haktrace import: a log, --from and --output are needed"),
        (["import", "--from", "x", "x"], "haktrace import: 'x' is no format"),
        (["export", "x"], "haktrace export: a trace, --to and --output are needed"),
        (["export", "--to", "x", "x"], "haktrace export: 'x' is no format"),
        (["export", "x", "y"], "haktrace export: more than one trace"),
        (
            ["export", "--to=parquet", "x", "-o-"],
            "haktrace export: parquet goes into a file only",
        ),
    ],
)
def test_wrong_usage(words: list[str], reason: str) -> None:
    done = haktrace(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(reason)


@pytest.mark.parametrize("command", ["info", "dump", "verify"])
def test_what_is_no_trace(command: str, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello\n" * 100)
    empty = tmp_path / "empty"
    empty.touch()
    for path in (tmp_path / "none", tmp_path, text, empty):
        done = haktrace(command, path)
        assert done.returncode == 1
        assert done.stdout == ""
        assert re.fullmatch(rf"haktrace: {path}: .+\n", done.stderr), done.stderr
