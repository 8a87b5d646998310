"""haktrace slice and anonymize: the rows that they keep, exactly, and what becomes of the rest."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, ROOT, info, run

HAKTRACE = BUILD / "haktrace"
SCRIBE = BUILD / "tests" / "analysis" / "scribe"
REDIS = ROOT / "traces" / "samples" / "redis.zst"

TRACE = """\
fact program /usr/bin/app
fact command app --password=secret
fact pid 4711
fact start 2026-01-31T12:00:00Z
fact start_unix_ns 1769860800000000000
fact exit_status 3
fact source secret.log
module 0x555500000000 0x2000 00ff /usr/bin/app
module 0x7f0000000000 0x2000 00ee /home/me/lib.so
module 0x7fff00000000 0x2000 - [vdso]
site 0 4560 96
site 1 0x2a1b0 2064
thread 4711 0 -1 secret
thread 4712 1900 2000 worker
thread 4713 0 1200 secret
mark secret mark
event 0 0 66 72 16 0 -1 -1 0 0
event 1200 0 1 100 0 1 -1 1 0 0
event 1200 2 6 200 64 2 -1 0 0 0
event 1300 0 5 0 0 -1 1 0 0 0
event 1400 0 3 300 0 3 0 1 2 0
event 1500 0 3 999 0 -1 3 1 1 0
event 1600 0 1 10 0 4 -1 0 0 0x7f12
event 1700 0 67 12 0 -1 -1 -1 0 0
event 1800 0 3 11 0 5 4 0 2 0
event 1900 1 64 0 0 -1 -1 -1 0 0
event 1900 1 34 300 0 -1 3 0 0 0
event 1950 0 5 0 0 -1 -1 -1 4 0
event 1970 0 68 0 0 -1 -1 -1 0 0
event 2000 1 65 0 0 -1 -1 -1 0 0
end 2100 12 3 1
"""

# From 1400 to 1950: #2 is alive, #0 becomes #3; numbers begin anew, and so does time.
SLICE = """\
0	0	inherited(72, align 16) = #0	-
0	2	inherited(200, align 64) = #1	app+0x11d0@96
0	0	realloc(#0, 300) = #2	lib.so+0x2a1b0@2064	moved
100	0	realloc(#2, 999) = failed	lib.so+0x2a1b0@2064	failed
200	0	malloc(10) = #3 at 0x7f12	app+0x11d0@96
300	0	lost(12)	-
400	0	realloc(#3, 11) = #4	app+0x11d0@96	moved
500	1	thread_start(4712, "worker")	-
500	1	delete sized(#2, 300)	app+0x11d0@96
"""


def haktrace(*words: object) -> subprocess.CompletedProcess[str]:
    return run(HAKTRACE, *words)


def dump(path: Path, *options: str) -> str:
    """The rows as text."""
    done = haktrace("dump", *options, path)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(path: Path, *options: str) -> list[dict[str, Any]]:
    """The rows as objects."""
    return [json.loads(line) for line in dump(path, "--json", *options).splitlines()]


def content(path: Path) -> bytes:
    """What the trace's frames hold."""
    return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("remake") / "trace.zst"
    done = run(SCRIBE, path, input=TRACE)
    assert done.returncode == 0, done.stderr
    return path


def made(command: str, trace: Path, out: Path, *options: str) -> Path:
    """What a command makes of a trace, which is a good trace."""
    done = haktrace(command, *options, trace, "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = haktrace("verify", out)
    assert (done.returncode, done.stderr) == (0, "")
    return out


# Large blocks: one is moved and freed, one is left.
PAGES = """\
thread 1 0 -1 t
pages 1 -1
event 0 0 1 1048576 0 0 -1 -1 0 0
pages 3 -1
event 100 0 1 1048576 0 1 -1 -1 0 0
pages 2 30
event 200 0 3 2097152 0 2 0 -1 2 0
pages -1 40
event 300 0 5 0 0 -1 2 -1 0 0
left 1 77
end 400 0 0 0
"""


@pytest.fixture
def paged(tmp_path: Path) -> Path:
    path = tmp_path / "paged.zst"
    assert run(SCRIBE, path, input=PAGES).returncode == 0
    return path


# ---- slice ----


def test_slice(trace: Path, tmp_path: Path) -> None:
    out = made("slice", trace, tmp_path / "o.zst", "--from-ns", "1400", "--to-ns", "1950")
    assert dump(out) == SLICE
    facts = info(out)
    assert facts["duration_ns"] == 550
    assert facts["lost_events"] == 12
    assert facts["end"] == "slice"
    assert (facts["threads"], facts["sites"]) == (3, 2)
    assert facts["leaked_bytes"] == 200 + 11
    assert b"1769860800000001400" in content(out)


def test_slice_to_the_end(trace: Path, tmp_path: Path) -> None:
    out = made("slice", trace, tmp_path / "o.zst", "--from-ns", "1950")
    assert dump(out).splitlines() == [
        "0\t2\tinherited(200, align 64) = #0\tapp+0x11d0@96",
        "0\t0\tinherited(11) = #1\tapp+0x11d0@96",
        "0\t0\tfree(foreign)\t-\tforeign",
        '20\t0\tmark("secret mark")\t-',
        "50\t1\tthread_exit()\t-",
    ]
    assert info(out)["end"] == "exit 3"
    assert info(out)["duration_ns"] == 150


def test_slice_of_everything(trace: Path, tmp_path: Path) -> None:
    out = made("slice", trace, tmp_path / "o.zst")
    assert dump(out) == dump(trace)
    assert info(out)["pid"] == 4711


def test_slice_keeps_resident_pages(paged: Path, tmp_path: Path) -> None:
    whole = made("slice", paged, tmp_path / "whole.zst")
    late = made("slice", paged, tmp_path / "late.zst", "--from-ns", "150")
    early = made("slice", paged, tmp_path / "early.zst", "--to-ns", "250")
    assert dump(whole) == dump(paged)
    assert dump(late).splitlines() == [
        "0\t0\tinherited(1048576) = #0\t-",
        "0\t0\tinherited(1048576) = #1\t-",
        "50\t0\trealloc(#0 [30 pages], 2097152) = #2 [2 pages]\t-\tmoved",
        "150\t0\tfree(#2 [40 pages])\t-",
    ]
    told = [info(path)["touched_pages_high"] for path in (paged, whole, late, early)]
    assert told == [147, 147, 147, 30]
    assert info(whole)["touched_pages_low"] == info(paged)["touched_pages_low"] == 29 + 38 + 74


def test_slice_behind_the_end(trace: Path, tmp_path: Path) -> None:
    """What was alive at the end, and nothing that happens."""
    out = made("slice", trace, tmp_path / "o.zst", "--from-ns", "99999")
    assert [row["kind"] for row in rows(out)] == ["inherited", "inherited"]


def test_slice_of_a_real_trace(tmp_path: Path) -> None:
    """The same calls as in the whole; the same is alive at both ends; it replays."""
    begin, end = 100_000_000, 220_000_000
    window = ("--from-ns", str(begin), "--to-ns", str(end))
    out = made("slice", REDIS, tmp_path / "slice.zst", *window)
    upto = made("slice", REDIS, tmp_path / "upto.zst", "--to-ns", str(begin))
    through = made("slice", REDIS, tmp_path / "through.zst", "--to-ns", str(end))
    expected = [line.split("\t") for line in dump(REDIS, *window).splitlines()]
    calls = [line.split("\t") for line in dump(out).splitlines()]
    inherited = [line for line in calls if line[2].startswith("inherited")]
    calls = calls[len(inherited) :]
    assert len(expected) == len(calls) > 100_000
    for whole, own in zip(expected, calls, strict=True):
        assert int(own[0]) == int(whole[0]) - begin
        assert own[1] == whole[1]
        assert own[2].partition("(")[0] == whole[2].partition("(")[0]
        assert own[3:] == whole[3:]
    assert len(inherited) == info(upto)["leaked_objects"]
    for key in ("leaked_objects", "leaked_bytes"):
        assert info(out)[key] == info(through)[key]
    replay = run(BUILD / "hakreplay", out, "--alloc", "glibc", "--repeat", "1", "--check")
    assert replay.returncode == 0, replay.stderr


# ---- anonymize ----


def test_anonymize(trace: Path, tmp_path: Path) -> None:
    out = made("anonymize", trace, tmp_path / "o.zst")
    names = {None: None, "/usr/bin/app": "/module-1", "/home/me/lib.so": "/module-2"}
    texts = {None: None, "secret mark": "mark-1"}
    for before, after in zip(rows(trace), rows(out), strict=True):
        changed = {
            "module": names[before["module"]],
            "text": texts[before["text"]],
            "addr": None,
        } | ({"name": "thread-2"} if "name" in before else {})
        assert after == before | changed
    assert dump(out).splitlines()[9] == '1900\t1\tthread_start(4712, "thread-2")\t-'
    facts, whole = info(out), info(trace)
    program = {"program": "/program", "command": "/program", "pid": None}
    sizes = {key: facts[key] for key in ("file_bytes", "bytes_per_event")}
    assert facts == whole | program | sizes
    data = content(out)
    for text in (b"secret", b"app", b"/home", b"worker", b"2026"):
        assert text in content(trace)
        assert text not in data
    assert data.count(b"thread-1") == 2
    assert b"[vdso]" in data


def test_anonymize_a_real_trace(tmp_path: Path) -> None:
    out = made("anonymize", REDIS, tmp_path / "o.zst")
    assert info(out)["events"] == info(REDIS)["events"]
    assert info(out)["sites"] == info(REDIS)["sites"]
    for text in (b"redis", b"/usr", b"libc.so"):
        assert text in content(REDIS)
        assert text not in content(out)


# ---- both ----


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["slice", "x.zst"], "--output"),
        (["slice", "-o", "o.zst"], "a trace"),
        (["slice", "--from-ns", "5", "--to-ns", "5", "-o", "o.zst", "x.zst"], "before it begins"),
        (["slice", "--from-ns", "-1", "-o", "o.zst", "x.zst"], "no time"),
        (["slice", "-o", "o.zst", "x.zst", "y.zst"], "more than one"),
        (["anonymize", "x.zst"], "--output"),
    ],
)
def test_wrong_usage(words: list[str], said: str) -> None:
    done = haktrace(*words)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("command", ["slice", "anonymize"])
def test_what_cannot_be_done(trace: Path, tmp_path: Path, command: str) -> None:
    """The trace itself is not overwritten; nothing half made is left."""
    before = trace.read_bytes()
    done = haktrace(command, trace, "-o", trace)
    assert (done.returncode, trace.read_bytes()) == (1, before)
    assert "this is the trace itself" in done.stderr
    out = tmp_path / "o.zst"
    done = haktrace(command, tmp_path / "none.zst", "-o", out)
    assert done.returncode == 1
    assert "none.zst" in done.stderr
    assert not out.exists()
    damaged = tmp_path / "damaged.zst"
    data = bytearray(REDIS.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    done = haktrace(command, damaged, "-o", out)
    assert done.returncode == 1
    assert "damaged.zst" in done.stderr
    assert not out.exists()
    cut = tmp_path / "cut.zst"
    cut.write_bytes(before[:-20])
    done = haktrace(command, cut, "-o", out)
    assert done.returncode == 0
    assert "cut.zst" in done.stderr
    assert haktrace("verify", out).returncode == 0


def test_anonymize_keeps_resident_pages(paged: Path, tmp_path: Path) -> None:
    out = made("anonymize", paged, tmp_path / "o.zst")
    assert dump(out) == dump(paged).replace('"t"', '"thread-1"')
    assert info(out)["touched_pages_high"] == 147
