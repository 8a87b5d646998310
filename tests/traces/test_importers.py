"""haktrace import of malloclab, mtrace and logalloc: exact rows, and what is said of bad logs."""

from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, info, run

HAKTRACE = BUILD / "haktrace"
MTRACED = BUILD / "tests" / "traces" / "mtraced"


def import_log(kind: str, log: Path, trace: Path) -> subprocess.CompletedProcess[str]:
    return run(HAKTRACE, "import", "--from", kind, log, "-o", trace)


def rows_of(trace: Path) -> list[str]:
    """Rows without their time: thread, call, site and flags."""
    assert run(HAKTRACE, "verify", trace).returncode == 0
    dump = run(HAKTRACE, "dump", trace).stdout.splitlines()
    rows = [line.split("\t")[1:] for line in dump]
    return [" ".join(row) for row in rows if not row[1].startswith("thread_")]


def imported(kind: str, folder: Path, text: str) -> tuple[str, list[str], dict[str, Any]]:
    """What import says of a log, the trace's rows, and its figures."""
    log, trace = folder / "log.txt", folder / "log.zst"
    log.write_text(text)
    done = import_log(kind, log, trace)
    assert done.returncode == 0, done.stderr
    return done.stderr.replace(f"haktrace: {log}", "log"), rows_of(trace), info(trace)


# ---- malloclab ----

REP = """\
20000
3
10
1
a 0 512
a 1 128
r 0 640
a 2 0

f 1
r 0 768
f -1
r 2 0
f 0
a  1  77
"""


def test_malloclab(tmp_path: Path) -> None:
    said, rows, figures = imported("malloclab", tmp_path, REP)
    assert said == "log: 10 calls, of which 1 free(NULL) are left out\n"
    assert rows == [
        "0 malloc(512) = #0 -",
        "0 malloc(128) = #1 -",
        "0 realloc(#0, 640) = #2 -",
        "0 malloc(0) = #3 -",
        "0 free(#1) -",
        "0 realloc(#2, 768) = #4 -",
        "0 realloc(#3, 0) = freed -",
        "0 free(#4) -",
        "0 malloc(77) = #5 -",
    ]
    assert figures["threads"] == 1
    assert figures["duration_ns"] is None
    assert figures["leaked_bytes"] == 77


def test_malloclab_unknown_blocks(tmp_path: Path) -> None:
    said, rows, _ = imported("malloclab", tmp_path, "1\n2\n3\n1\nf 1\nr 0 5\nf 0\n")
    assert rows == [
        "0 free(foreign) - foreign",
        "0 realloc(foreign, 5) = #0 - foreign",
        "0 free(#0) -",
    ]
    assert said.startswith("log:5: first of 2 frees of blocks that were not allocated (0x2)\n")


# ---- mtrace ----

MTRACE = """\
= Start
@ /bin/a(b) c:(main+0x1a)[0x11c0] + 0x1000 0xa
@ /bin/a(b) c:[0x11d5] < 0x1000
@ /bin/a(b) c:[0x11d5] > 0x2000 0x14
@ [0x7f12] + (nil) 0xffff
+ 0x3000 0
@ /lib/x.so:(f-0x3)[0x11c0] ! 0x3000 0x99
- 0x3000
@ /bin/a(b) c:[0x11c0] - 0x2000
= End
"""


def test_mtrace(tmp_path: Path) -> None:
    said, rows, figures = imported("mtrace", tmp_path, MTRACE)
    assert said == "log: 7 calls, of which 0 free(NULL) are left out\n"
    assert rows == [
        "0 malloc(10) = #0 a(b) c+0x11c0@0",
        "0 realloc(#0, 20) = #1 a(b) c+0x11d5@0 moved",
        "0 malloc(65535) = failed 0x7f12@0 failed",
        "0 malloc(0) = #2 -",
        "0 realloc(#2, 153) = failed x.so+0x11c0@0 failed",
        "0 free(#2) -",
        "0 free(#1) a(b) c+0x11c0@0",
    ]
    assert figures["sites"] == 4


def test_mtrace_of_glibc_itself(tmp_path: Path) -> None:
    """The log is glibc's own; every call of mtraced.c is there."""
    debug = "libc_malloc_debug.so.0"
    log, trace = tmp_path / "log", tmp_path / "log.zst"
    done = run(MTRACED, env={**os.environ, "MALLOC_TRACE": str(log), "LD_PRELOAD": debug})
    if not log.exists() or "cannot be preloaded" in done.stderr:
        pytest.skip(f"{debug} is not there")
    done = import_log("mtrace", log, trace)
    assert done.stderr == f"haktrace: {log}: 14 calls, of which 0 free(NULL) are left out\n"
    rows = rows_of(trace)
    half = 2**62 - 1
    assert [re.sub(r" mtraced\+0x[0-9a-f]+@0", "", row) for row in rows] == [
        "0 malloc(10) = #0",
        "0 realloc(#0, 12) = #1",
        "0 realloc(#1, 200000) = #2 moved",
        "0 malloc(15) = #3",
        "0 malloc(7) = #4",
        "0 free(#4)",
        "0 malloc(100) = #5",
        f"0 realloc(#5, {half}) = failed failed",
        f"0 malloc({half}) = failed failed",
        "0 free(#3)",
        "0 malloc(33) = #6",
        "0 free(#6)",
        "0 malloc(0) = #7",
        "0 free(#5)",
    ]
    assert len({word for row in rows for word in row.split() if "mtraced+" in word}) == 14


# ---- logalloc ----

LOGALLOC = """\
18545 18545 malloc(32)=0x7f90495120e0
18545 18545 calloc(2,148)=0x7f9049537480
18545 18546 realloc(0x7f90495120e0,64)=0x7f9049536680
18546 18546 free(0x7f9049536680)
18545 18545 posix_memalign(256,240)=0x7f9049583300
18545 18545 jemalloc_stats()
18545 18545 memalign(64,5)=0x7f9049583600
18545 18545 aligned_alloc(16,6)=0x7f9049583700
18545 18545 valloc(7)=0x7f9049583800
18545 18545 realloc(0x0,9)=0x7f9049583900
18545 18545 realloc(0x7f9049583900,0)=0x0
18545 18545 malloc(99999)=0x0
18545 18545 calloc(18446744073709551615,2)=0x0
18545 18545 free(0x7f9049536680)
18545 18545 free(0x0)
"""


def test_logalloc(tmp_path: Path) -> None:
    said, rows, figures = imported("logalloc", tmp_path, LOGALLOC)
    assert said == (
        "log:15: 1 lines of other processes than 18545 are left out\n"
        "log: 13 calls, of which 1 free(NULL) are left out\n"
    )
    assert rows == [
        "0 malloc(32) = #0 -",
        "0 calloc(296) = #1 -",
        "1 realloc(#0, 64) = #2 - moved",
        "0 posix_memalign(240, align 256) = #3 -",
        "0 memalign(5, align 64) = #4 -",
        "0 aligned_alloc(6, align 16) = #5 -",
        "0 valloc(7) = #6 -",
        "0 realloc(null, 9) = #7 -",
        "0 realloc(#7, 0) = freed -",
        "0 malloc(99999) = failed - failed",
        "0 calloc(18446744073709551615) = failed - failed",
        "0 free(#2) -",
    ]
    assert figures["threads"] == 2


def test_logalloc_munged_and_without_threads(tmp_path: Path) -> None:
    text = "1 malloc(42)=#1\n1 malloc(24)=#2\n1 realloc(#1,50)=#1\n1 free(#1)\n1 free(#2)\n"
    assert imported("logalloc", tmp_path, text)[1] == [
        "0 malloc(42) = #0 -",
        "0 malloc(24) = #1 -",
        "0 realloc(#0, 50) = #2 -",
        "0 free(#2) -",
        "0 free(#1) -",
    ]


# ---- one random program in all three formats ----


class Program:
    """A random program: what it does, and the rows that this must become."""

    def __init__(self, seed: int, calls: int) -> None:
        rng = random.Random(seed)
        self.calls: list[tuple[str, int, int, bool]] = []  # what, id, size, moved
        self.rows: list[str] = []
        objects: dict[int, int] = {}
        born = 0
        for _ in range(calls):
            block, size = rng.randrange(60), rng.randrange(1, 5000)
            moved = rng.random() < 0.5
            if block not in objects:
                what, row = "a", f"malloc({size}) = #{born}"
            elif rng.random() < 0.4:
                what, row = "r", f"realloc(#{objects[block]}, {size}) = #{born}"
            else:
                what, row = "f", f"free(#{objects.pop(block)})"
            if what != "f":
                objects[block] = born
                born += 1
            self.calls.append((what, block, size, moved))
            self.rows.append(f"0 {row} -")

    def rep(self) -> str:
        lines = [f"{w} {i}" if w == "f" else f"{w} {i} {s}" for w, i, s, _ in self.calls]
        return "\n".join(["0", "60", str(len(lines)), "1", *lines]) + "\n"

    def addresses(self) -> list[tuple[str, int, int, int]]:
        """What, address, old address, size."""
        lines, where = [], [0x1000 * (block + 1) for block in range(60)]
        for what, block, size, moved in self.calls:
            old = where[block]
            if what == "r" and moved:
                where[block] ^= 0x800
            lines.append((what, where[block], old, size))
        return lines

    def mtrace(self) -> str:
        text = "= Start\n"
        for what, addr, old, size in self.addresses():
            if what == "a":
                text += f"+ {addr:#x} {size:#x}\n"
            elif what == "r":
                text += f"< {old:#x}\n> {addr:#x} {size:#x}\n"
            else:
                text += f"- {addr:#x}\n"
        return text

    def logalloc(self) -> str:
        text = ""
        for what, addr, old, size in self.addresses():
            if what == "a":
                text += f"7 7 malloc({size})={addr:#x}\n"
            elif what == "r":
                text += f"7 7 realloc({old:#x},{size})={addr:#x}\n"
            else:
                text += f"7 7 free({addr:#x})\n"
        return text

    def moved_rows(self) -> list[str]:
        return [
            row + " moved" if what == "r" and moved else row
            for row, (what, _, _, moved) in zip(self.rows, self.calls, strict=True)
        ]


@pytest.mark.parametrize("seed", range(3))
def test_a_random_program(seed: int, tmp_path: Path) -> None:
    program = Program(seed, 40000)
    for kind, text, rows in (
        ("malloclab", program.rep(), program.rows),
        ("mtrace", program.mtrace(), program.moved_rows()),
        ("logalloc", program.logalloc(), program.moved_rows()),
    ):
        said, found, _ = imported(kind, tmp_path, text)
        assert found == rows
        assert said == f"log: {len(rows)} calls, of which 0 free(NULL) are left out\n"


# ---- bad logs ----

NO_REQUEST = "it is no request: neither a(llocate), r(eallocate) nor f(ree)"
HEAD = "1\n4\n2\n1\n"
BAD_LOGS = [
    ("malloclab", "1\n2 3\n", 2, "it is none of the four numbers that a .rep file begins with"),
    ("malloclab", "1\n-2\n", 2, "it is none of the four numbers that a .rep file begins with"),
    ("malloclab", "1\n2\n", 2, "it ends inside the header"),
    ("malloclab", HEAD + "a 0 1\n", 5, "1 requests where the header tells of 2"),
    ("malloclab", HEAD + "a 0 1\nf 0\nf 0\n", 7, "3 requests where the header tells of 2"),
    ("malloclab", HEAD + "b 0 1\n", 5, NO_REQUEST),
    ("malloclab", HEAD + "a0 1\n", 5, NO_REQUEST),
    ("malloclab", HEAD + "a 4 1\n", 5, "the id is not below the number of ids in the header"),
    ("malloclab", HEAD + "a x 1\n", 5, "the id is missing or no number"),
    ("malloclab", HEAD + "a 0\n", 5, "the size is missing or no number"),
    ("malloclab", HEAD + "a 0 1k\n", 5, "the size is missing or no number"),
    ("malloclab", HEAD + "f 0 1\n", 5, "there is more on the line than the request"),
    ("mtrace", "* 0x1\n", 1, "it is no call: none of + - < > !"),
    ("mtrace", "@ a:[0x1 + 0x1 0x1\n", 1, "the caller does not end with an address in brackets"),
    ("mtrace", "@ a:0x1] + 0x1 0x1\n", 1, "the caller does not end with an address in brackets"),
    ("mtrace", "@ a:[x] + 0x1 0x1\n", 1, "the caller's address is no hexadecimal number"),
    ("mtrace", "+ 0x1\n", 1, "the size is missing or no hexadecimal number"),
    ("mtrace", "+ z 0x1\n", 1, "the address is missing or no hexadecimal number"),
    ("mtrace", "- 0x1 0x1\n", 1, "there is more on the line than the call"),
    ("mtrace", "= Start\n> 0x1 0x1\n", 2, "a '>' follows no '<'"),
    ("mtrace", "< 0x1\n- 0x1\n", 2, "a '<' is not followed by its '>'"),
    ("mtrace", "< 0x1\n", 1, "it ends inside a realloc"),
    ("logalloc", "x 1 free(0x1)\n", 1, "the line does not begin with a process id"),
    ("logalloc", "1 2free(0x1)\n", 1, "the thread id is not followed by a call"),
    ("logalloc", "1 18446744073709551615 free(0x1)\n", 1, "the thread id is none"),
    ("logalloc", "1 1 alloca(1)=0x1\n", 1, "it names no function of logalloc"),
    ("logalloc", "1 1 malloc(x)=0x1\n", 1, "a number in brackets is none"),
    ("logalloc", "1 1 calloc(1)=0x1\n", 1, "an argument is missing"),
    ("logalloc", "1 1 free(p)\n", 1, "the address in brackets is none"),
    ("logalloc", "1 1 free(0x1\n", 1, "there is no bracket behind the arguments"),
    ("logalloc", "1 1 malloc(1)\n", 1, "the result is missing or no address"),
    ("logalloc", "1 1 free(0x1)=0x1\n", 1, "there is more on the line than the call"),
]


@pytest.mark.parametrize(("kind", "text", "line", "reason"), BAD_LOGS)
def test_a_bad_log(kind: str, text: str, line: int, reason: str, tmp_path: Path) -> None:
    log, trace = tmp_path / "log", tmp_path / "log.zst"
    log.write_text(text)
    done = import_log(kind, log, trace)
    assert (done.returncode, done.stderr) == (1, f"haktrace: {log}:{line}: {reason}\n")
    assert run(HAKTRACE, "verify", trace).returncode == 1
