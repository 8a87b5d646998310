"""haktrace import: logs of other tools become legal traces, and what was repaired is told."""

from __future__ import annotations

import gzip
import json
import random
import re
import subprocess
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, info, run

HAKTRACE = BUILD / "haktrace"


def import_log(log: Path, trace: Path) -> subprocess.CompletedProcess[str]:
    return run(HAKTRACE, "import", "--from", "android", log, "-o", trace)


def imported(tmp_path: Path, text: str) -> tuple[str, list[str], dict[str, Any]]:
    """What import says of a log, the trace's rows without time and site, and its figures."""
    log, trace = tmp_path / "log.txt", tmp_path / "log.zst"
    log.write_text(text)
    done = import_log(log, trace)
    assert done.returncode == 0, done.stderr
    assert run(HAKTRACE, "verify", trace).returncode == 0
    rows = []
    for line in run(HAKTRACE, "dump", trace).stdout.splitlines():
        _, thread, call, site, *flags = line.split("\t")
        assert site == "-"
        if not call.startswith("thread_"):
            rows.append(" ".join([thread, call, *flags]))
    return done.stderr.replace(f"haktrace: {log}", "log"), rows, info(trace)


# ---- calls ----

CALLS = """\
10: malloc 0x1000 8
10: calloc 0x2000 3 5
10: calloc 0x0 18446744073709551615 2
11: memalign 0x3000 64 100
11: free 0x1000
11: free 0x0
10: realloc 0x5000 0x2000 40
10: realloc 0x5000 0x5000 50
10: realloc 0x6000 0x0 5
10: realloc 0x0 0x5000 99999999999
10: realloc 0x0 0x6000 0
10: malloc 0x0 77
10: realloc 0x0 0x0 3
11: thread_done 0x0
11: malloc 0xffffffffffffffff 0
10: free 0x3000
"""


def test_calls(tmp_path: Path) -> None:
    said, rows, figures = imported(tmp_path, CALLS)
    assert said == "log: 15 calls, of which 1 free(NULL) are left out\n"
    assert rows == [
        "0 malloc(8) = #0",
        "0 calloc(15) = #1",
        "0 calloc(18446744073709551615) = failed failed",
        "1 memalign(100, align 64) = #2",
        "1 free(#0)",
        "0 realloc(#1, 40) = #3 moved",
        "0 realloc(#3, 50) = #4",
        "0 realloc(null, 5) = #5",
        "0 realloc(#4, 99999999999) = failed failed",
        "0 realloc(#5, 0) = freed",
        "0 malloc(77) = failed failed",
        "0 realloc(null, 3) = failed failed",
        "2 malloc(0) = #6",
        "0 free(#2)",
    ]
    assert figures["threads"] == 3
    assert figures["remote_frees"] == 2
    assert figures["duration_ns"] is None
    assert figures["backend"] == "import"
    assert figures["program"] is None


def test_threads_start_and_exit(tmp_path: Path) -> None:
    imported(tmp_path, CALLS)
    dump = run(HAKTRACE, "dump", tmp_path / "log.zst").stdout
    marks = re.findall(r"^0\t(\d)\t(thread_\w+\(.*?\))\t-$", dump, re.M)
    assert marks == [
        ("0", 'thread_start(10, "")'),
        ("1", 'thread_start(11, "")'),
        ("1", "thread_exit()"),
        ("2", 'thread_start(11, "")'),
    ]


def test_times(tmp_path: Path) -> None:
    log = """\
7: malloc 0x10 8 1000 1100
7: malloc 0x20 8 1200 1250
8: free 0x10 1230 1300
7: realloc 0x30 0x20 9 1400 1500
8: thread_done 0x0 1600
"""
    _, _, figures = imported(tmp_path, log)
    assert figures["duration_ns"] == 500
    dump = run(HAKTRACE, "dump", tmp_path / "log.zst").stdout
    assert re.findall(r"^(\d+)\t\d\t(\w+)", dump, re.M) == [
        ("0", "thread_start"),
        ("0", "malloc"),
        ("150", "malloc"),
        ("150", "thread_start"),
        ("150", "free"),
        ("400", "realloc"),
        ("500", "thread_exit"),
    ]


# ---- order ----


def test_a_free_logged_too_late(tmp_path: Path) -> None:
    log = """\
1: malloc 0xa 8
2: malloc 0xa 16
1: free 0xa
2: free 0xa
"""
    said, rows, figures = imported(tmp_path, log)
    assert rows == [
        "0 malloc(8) = #0",
        "0 free(#0)",
        "1 malloc(16) = #1 repaired",
        "1 free(#1)",
    ]
    assert said.startswith("log:2: first of 1 calls moved to make the order legal (0xa)\n")
    assert figures["repaired_events"] == 1
    assert figures["foreign_frees"] == figures["lost_events"] == figures["leaked_objects"] == 0


def test_a_late_free_of_a_block_whose_address_is_kept(tmp_path: Path) -> None:
    _, rows, figures = imported(tmp_path, "1: malloc 0xa 8\n2: malloc 0xa 16\n1: free 0xa\n")
    assert rows == ["0 malloc(8) = #0", "0 free(#0)", "1 malloc(16) = #1 repaired"]
    assert figures["lost_events"] == 0


def test_a_thread_waits_in_its_own_order(tmp_path: Path) -> None:
    log = """\
1: malloc 0xa 8
2: malloc 0xa 16
2: malloc 0xb 24
3: malloc 0xc 32
1: realloc 0xd 0xa 40
2: free 0xa
"""
    _, rows, figures = imported(tmp_path, log)
    assert rows == [
        "0 malloc(8) = #0",
        "2 malloc(32) = #1",
        "0 realloc(#0, 40) = #2 moved",
        "1 malloc(16) = #3 repaired",
        "1 malloc(24) = #4 repaired",
        "1 free(#3)",
    ]
    assert figures["repaired_events"] == 2


def test_who_needs_what_waits_waits_too(tmp_path: Path) -> None:
    log = """\
1: malloc 0xa 8
2: malloc 0xa 16
2: malloc 0xb 24
3: free 0xb
1: free 0xa
2: free 0xa
"""
    _, rows, figures = imported(tmp_path, log)
    assert rows == [
        "0 malloc(8) = #0",
        "0 free(#0)",
        "1 malloc(16) = #1 repaired",
        "1 malloc(24) = #2 repaired",
        "2 free(#2) repaired",
        "1 free(#1)",
    ]
    assert figures["foreign_frees"] == 0


def test_two_frees_logged_too_late(tmp_path: Path) -> None:
    log = """\
1: malloc 0xa 8
2: malloc 0xa 16
3: malloc 0xa 24
2: free 0xa
1: free 0xa
3: free 0xa
"""
    _, rows, figures = imported(tmp_path, log)
    assert rows == [
        "0 malloc(8) = #0",
        "0 free(#0)",
        "1 malloc(16) = #1 repaired",
        "1 free(#1) repaired",
        "2 malloc(24) = #2 repaired",
        "2 free(#2)",
    ]
    assert (figures["foreign_frees"], figures["lost_events"]) == (0, 0)


def test_a_free_logged_before_its_allocation(tmp_path: Path) -> None:
    log = """\
1: free 0xa
2: malloc 0xa 8
3: malloc 0xa 16
3: free 0xa
"""
    _, rows, figures = imported(tmp_path, log)
    assert rows == [
        "1 malloc(8) = #0",
        "0 free(#0) repaired",
        "2 malloc(16) = #1",
        "2 free(#1)",
    ]
    assert figures["foreign_frees"] == 0


def test_foreign_frees(tmp_path: Path) -> None:
    log = """\
1: free 0xa
1: malloc 0xa 8
1: free 0xa
2: free 0xa
2: realloc 0xb 0xdead 9
"""
    said, rows, figures = imported(tmp_path, log)
    assert rows == [
        "0 free(foreign) foreign",
        "0 malloc(8) = #0",
        "0 free(#0)",
        "1 free(foreign) foreign",
        "1 realloc(foreign, 9) = #1 moved,foreign",
    ]
    assert said.startswith("log:1: first of 3 frees of blocks that were not allocated (0xa)\n")
    assert figures["foreign_frees"] == 3


def test_a_missing_free(tmp_path: Path) -> None:
    log = """\
1: malloc 0xa 8
1: malloc 0xa 16
1: free 0xa
"""
    said, rows, figures = imported(tmp_path, log)
    assert rows == ["0 malloc(8) = #0", "0 malloc(16) = #1", "0 free(#1)"]
    assert said.startswith(
        "log:2: first of 1 allocations of an address that was never freed (0xa)\n"
    )
    assert (figures["lost_events"], figures["leaked_bytes"]) == (1, 8)


def random_log(seed: int, calls: int) -> tuple[list[str], list[str]]:
    """A log that can have happened: five threads and few addresses; and the frees of the rest."""
    rng = random.Random(seed)
    free = [0x1000 + 16 * i for i in range(24)]
    taken: list[int] = []
    lines = []
    for _ in range(calls):
        thread = rng.randrange(1, 6)
        dice = rng.random()
        if free and (dice < 0.45 or not taken):
            taken.append(free.pop())
            lines.append(f"{thread}: malloc {taken[-1]:#x} {rng.randrange(100)}")
        elif dice < 0.55 and free:
            old = taken.pop(rng.randrange(len(taken)))
            taken.append(free.pop())
            free.append(old)
            lines.append(f"{thread}: realloc {taken[-1]:#x} {old:#x} {rng.randrange(1, 100)}")
        else:
            free.append(taken.pop(rng.randrange(len(taken))))
            lines.append(f"{thread}: free {free[-1]:#x}")
    return lines, [f"{rng.randrange(1, 6)}: free {addr:#x}" for addr in taken]


def log_late(lines: list[str], seed: int, chance: float) -> list[str]:
    """The same log where frees are written too late, though still in their thread's order."""
    rng = random.Random(seed)
    late = list(lines)
    for i in range(len(late) - 1, -1, -1):
        if " free " not in late[i] or rng.random() > chance:
            continue
        thread = late[i].split(":")[0]
        last = i
        while last + 1 < len(late) and last - i < 20 and late[last + 1].split(":")[0] != thread:
            last += 1
        late.insert(rng.randint(i, last), late.pop(i))
    return late


@pytest.mark.parametrize("seed", range(24))
def test_random_disorder_is_repaired(seed: int, tmp_path: Path) -> None:
    lines, rest = random_log(seed, 3000)
    late = log_late(lines, seed, 0.2)
    assert late != lines
    late += rest
    _, rows, figures = imported(tmp_path, "\n".join(late) + "\n")
    assert figures["events"] == len(late)
    assert figures["repaired_events"] > 0
    assert figures["foreign_frees"] == figures["lost_events"] == figures["leaked_objects"] == 0
    # each thread did what it did, in its own order
    names: dict[str, str] = {}
    for line in late:
        names.setdefault(line.split(":")[0], str(len(names)))
    shapes = [re.sub(r"#\d+|moved|repaired|[ ,]*$", "", row) for row in rows]
    for thread, number in names.items():
        wanted = [line.split() for line in late if line.startswith(f"{thread}:")]
        done = [row for row in shapes if row.startswith(f"{number} ")]
        assert [words[1] for words in wanted] == [row.split()[1].split("(")[0] for row in done]
        sizes = [words[-1] if words[1] != "free" else "" for words in wanted]
        assert sizes == [re.search(r"\((?:, )?(\d*)\)", row)[1] for row in done]  # type: ignore


@pytest.mark.parametrize("seed", range(3))
def test_an_ordered_log_stays_as_it_is(seed: int, tmp_path: Path) -> None:
    lines, _ = random_log(seed, 100000)
    _, rows, figures = imported(tmp_path, "\n".join(lines))
    assert figures["repaired_events"] == figures["foreign_frees"] == figures["lost_events"] == 0
    kinds = Counter(line.split()[1] for line in lines)
    assert figures["allocs"] == kinds["malloc"]
    assert figures["frees"] == kinds["free"]
    assert figures["reallocs"] == kinds["realloc"]
    assert [row.split()[1].split("(")[0] for row in rows] == [line.split()[1] for line in lines]


# ---- files ----


def compressed(kind: str, folder: Path, text: str) -> Path:
    """The text as a file of some kind."""
    plain, path = folder / "log", folder / f"log.{kind}"
    plain.write_text(text)
    if kind == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, "folder/log.txt")
    elif kind == "tar":
        with tarfile.open(path, "w") as archive:
            archive.add(plain, "log.txt")
    elif kind == "crlf":
        path.write_text(text.replace("\n", "\r\n"))
    else:
        path.write_text(text.rstrip("\n") + "\n" * (kind == "blank") * 3)
    return path


@pytest.mark.parametrize("kind", ["text", "blank", "crlf", "gz", "zip", "tar"])
def test_kinds_of_files(kind: str, tmp_path: Path) -> None:
    trace = tmp_path / "log.zst"
    done = import_log(compressed(kind, tmp_path, CALLS), trace)
    assert done.returncode == 0, done.stderr
    assert info(trace)["events"] == 14


def test_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    assert import_log(tmp_path / "log", tmp_path / "log.zst").returncode == 0
    assert info(tmp_path / "log.zst")["events"] == 0


BAD_LINES = {
    "hello": "the line does not begin with a thread id and a colon",
    "-1: free 0x10": "the line does not begin with a thread id and a colon",
    "1 free 0x10": "the line does not begin with a thread id and a colon",
    "1: mallocate 0x10 3": (
        "it names none of malloc, calloc, realloc, memalign, free, thread_done"
    ),
    "1:": "it names none of malloc, calloc, realloc, memalign, free, thread_done",
    "1: malloc": "the address is missing or no hexadecimal number",
    "1: malloc ten 3": "the address is missing or no hexadecimal number",
    "1: malloc 0x10": "the size is missing or no number",
    "1: malloc 0x10 -3": "the size is missing or no number",
    "1: malloc 0x10 99999999999999999999": "the size is missing or no number",
    "1: calloc 0x10 x 3": "the count is missing or no number",
    "1: memalign 0x10 y 3": "the alignment is missing or no number",
    "1: realloc 0x10 z 3": "the old address is missing or no hexadecimal number",
    "1: malloc 0x10 3 4 x": "the end time is no number",
    "1: free 0x10 stop": "there is more on the line than the call",
    "1: malloc 0x10 3 4 5 6": "there is more on the line than the call",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line(line: str, tmp_path: Path) -> None:
    log, trace = tmp_path / "log", tmp_path / "log.zst"
    log.write_text(f"1: malloc 0x10 8\n\n{line}\n1: free 0x10\n")
    done = import_log(log, trace)
    assert done.returncode == 1
    assert done.stderr == f"haktrace: {log}:3: {BAD_LINES[line]}\n"
    assert json.loads(run(HAKTRACE, "info", "--json", trace).stdout)["complete"] is False


def test_what_cannot_be_read(tmp_path: Path) -> None:
    trace = tmp_path / "log.zst"
    two = tmp_path / "two.zip"
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a", CALLS)
        archive.writestr("b", CALLS)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(CALLS.encode())[:-20])
    long = tmp_path / "long"
    long.write_text("1: malloc 0x10 8\n" + "x" * 300000)
    for log, reason in {
        tmp_path / "none": "No such file or directory",
        tmp_path: "Is a directory",
        two: "the archive holds more than one file",
        cut: "truncated gzip input",
        long: "a line is longer than 256 KiB: this is no text",
    }.items():
        done = import_log(log, trace)
        assert (done.returncode, done.stderr) == (1, f"haktrace: {log}: {reason}\n")
    (tmp_path / "log").write_text(CALLS)
    done = import_log(tmp_path / "log", tmp_path / "no" / "log.zst")
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
    done = import_log(tmp_path / "log", Path("/dev/full"))
    assert done.returncode == 1
    assert "No space left on device" in done.stderr


def test_the_log_itself_is_kept(tmp_path: Path) -> None:
    log, link = tmp_path / "log", tmp_path / "link"
    log.write_text(CALLS)
    link.symlink_to(log)
    for output in (log, link):
        done = import_log(log, output)
        assert (done.returncode, done.stderr) == (
            1,
            f"haktrace: {output}: this is the log itself\n",
        )
        assert log.read_text() == CALLS


# ---- a real one ----


def test_surfaceflinger(shared_traces: Path, tmp_path: Path) -> None:
    log, trace = shared_traces / "surfaceflinger.zip", tmp_path / "surfaceflinger.zst"
    done = import_log(log, trace)
    assert done.returncode == 0
    assert done.stderr == (
        f"haktrace: {log}: 2455239 calls, of which 2514 free(NULL) are left out\n"
    )
    assert run(HAKTRACE, "verify", trace).returncode == 0
    figures = info(trace)
    assert figures["events"] == 2455239 - 2514
    assert figures["allocs"] == 1142990 + 44229
    assert figures["reallocs"] == 73781
    assert figures["frees"] == 1194239 - 2514
    assert figures["objects"] == 1142990 + 44229 + 73781
    assert figures["threads"] == 15
    assert figures["leaked_objects"] == 3567
    assert figures["remote_frees"] == 22209
    assert (figures["peak_live_bytes"], figures["peak_live_objects"]) == (2063697, 3833)
    for none in ("failed_allocs", "lost_events", "repaired_events", "foreign_frees"):
        assert figures[none] == 0
