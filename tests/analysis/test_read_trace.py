"""Traces as DataFrames through libhaktrace: every table, whole and in chunks; what goes wrong."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import BUILD, ROOT, run
from haktrace import Trace, TraceError, binding, lifetimes, live_bytes, read_trace, site_table
from handmade import FAILED, MOVED, event_lines, events, random_rows, scribe

NONE = -1
GOLDEN = ROOT / "traces/golden"
VERDICTS = (GOLDEN / "bad/verdicts.txt").read_text().splitlines()
HEAD = [
    "fact program app",
    "fact command app --fast",
    "thread 41 0 -1 app",
    "thread 42 5 90 worker one",
    "module 0x400000 8192 ab12 /usr/bin/app",
    "module 0x7f0000000000 4096 - /usr/lib/libz.so.1",
    "site 0 0x1234 64",
    "site 1 0x20 0",
    "site -1 0x7fff12345678 8",
    "stack 0 0 0x1234 1 0x40 -1 0x99",
    "samples 0 3 4",
    "mark half way",
]
ROWS = [
    (1, 0, "malloc", 100, 0, 0, NONE, 0, 0),
    (1, 1, "memalign", 4096, 64, 1, NONE, 1, 0),
    (2, 0, "calloc", 2**64 - 1, 0, NONE, NONE, 2, FAILED),
    (5, 1, "realloc", 300, 0, 2, 0, NONE, MOVED),
    (9, 0, "free", 0, 0, NONE, 1, 0, 0),
    (9, 0, "free", 0, 0, NONE, NONE, NONE, 4),
]
END = "end 100 7 3 1"


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    """A small trace that has something in every table."""
    lines = event_lines(ROWS)
    marks = ["event 1 1 64 0 0 -1 -1 -1 0 0", "event 5 0 68 0 0 -1 -1 -1 0 0"]
    lost = ["event 9 1 67 7 0 -1 -1 -1 0 0"]
    body = [*lines[:1], marks[0], *lines[1:3], "flush", marks[1], *lines[3:], *lost]
    return read_trace(scribe(tmp_path / "app.zst", [*HEAD, *body, END]))


def test_events(trace: Trace) -> None:
    found = trace.events
    pd.testing.assert_frame_equal(found, events(ROWS), check_categorical=False)
    assert found.dtypes.drop("kind").to_dict() == {
        "time_ns": np.int64,
        "thread": np.uint32,
        "size": np.uint64,
        "align": np.uint64,
        "object": np.int64,
        "old_object": np.int64,
        "site": np.int32,
        "flags": np.uint8,
    }
    assert isinstance(found["kind"].dtype, pd.CategoricalDtype)
    assert (trace.rows, trace.complete, trace.damage) == (9, True, "")
    assert trace.totals == {
        "lost_events": 7,
        "late_events": 3,
        "repaired_events": 1,
        "duration_ns": 100,
    }
    assert trace.file_bytes == Path(trace.path).stat().st_size


def test_tables(trace: Trace) -> None:
    threads = trace.threads
    assert threads[["tid", "name", "start_ns"]].to_numpy().tolist() == [
        [41, "app", 0],
        [42, "worker one", 5],
    ]
    assert threads["exit_ns"].tolist() == [pd.NA, 90]
    sites = trace.sites
    assert sites["module"].fillna("?").tolist() == ["/usr/bin/app", "/usr/lib/libz.so.1", "?"]
    assert sites["build_id"].fillna("?").tolist() == ["ab12", "", "?"]
    assert sites["offset"].tolist() == [0x1234, 0x20, 0x7FFF12345678]
    assert sites["height"].tolist() == [64, 0, 8]
    assert sites["key"].nunique() == 3
    assert trace.stacks.fillna("?").to_numpy().tolist() == [
        [0, 0, "/usr/bin/app", 0x1234, 0, 3],
        [0, 1, "/usr/lib/libz.so.1", 0x40, 0, 3],
        [0, 2, "?", 0x99, 0, 3],
    ]
    assert sites["stack_samples"].tolist() == [4, 0, 0]
    assert sites["stack_purity_ratio"].fillna(-1).tolist() == [0.75, -1, -1]
    assert trace.modules.to_numpy().tolist() == [
        ["/usr/bin/app", "ab12", 0x400000, 8192],
        ["/usr/lib/libz.so.1", "", 0x7F0000000000, 4096],
    ]
    assert trace.process.loc["command", "value"] == "app --fast"
    marks = trace.marks
    assert marks["kind"].tolist() == ["thread_start", "mark", "lost"]
    assert marks["time_ns"].tolist() == [1, 5, 9]
    assert marks["thread"].tolist() == [1, 0, 1]
    assert marks["event"].tolist() == [1, 3, 6]
    assert marks["text"].fillna("?").tolist() == ["?", "half way", "?"]
    assert marks["size"].tolist()[2] == 7


def test_tables_are_kept(trace: Trace) -> None:
    assert trace.events is trace.events
    assert trace.sites is trace.sites
    trace.close()
    assert len(trace.sites) == 3
    with pytest.raises(TraceError, match="the trace is closed"):
        _ = trace.threads


def test_batches_are_views(trace: Trace, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = list(trace._handle.events())
    monkeypatch.setattr(trace._handle, "events", lambda *_: raw)
    batches = list(trace.batches())
    assert [list(batch.index) for batch in batches] == [[0, 1, 2], [3, 4, 5]]
    for batch, source in zip(batches, raw, strict=True):
        for name in ("time_ns", "thread", "size", "align", "object", "old_object", "site", "flags"):
            column, buffer = batch[name].to_numpy(), source.column(name).buffers()[1]
            assert column.__array_interface__["data"] == (buffer.address, True), name


def test_batches_outlive_their_trace(tmp_path: Path) -> None:
    rows = random_rows(1, 5000)
    lines = event_lines(rows)
    body = [*lines[:2000], "flush", *lines[2000:4000], "flush", *lines[4000:]]
    head = ["thread 1 0 -1 a"] * 3 + [f"site -1 {n} 0" for n in range(5)]
    path = scribe(tmp_path / "a.zst", [*head, *body, "end 99999 0 0 0"])
    opened = read_trace(path)
    batches = opened.batches()
    first = next(batches)
    second = next(batches)
    opened.close()
    del opened, batches
    gc.collect()
    expected = events(rows)
    pd.testing.assert_frame_equal(first, expected[:2000], check_categorical=False)
    pd.testing.assert_frame_equal(second, expected[2000:4000], check_categorical=False)


def test_chunks_cover_every_event_once(tmp_path: Path) -> None:
    rows = random_rows(2, 3000)
    lines = event_lines(rows)
    body = [
        line
        for n, line in enumerate(lines)
        for line in ([line, "flush"] if n % 100 == 99 else [line])
    ]
    head = ["thread 1 0 -1 a"] * 3 + [f"site -1 {n} 0" for n in range(5)]
    opened = read_trace(scribe(tmp_path / "a.zst", [*head, *body, "end 99999 0 0 0"]))
    chunks = list(opened.iter_events(250))
    assert [len(chunk) for chunk in chunks] == [300] * 10
    pd.testing.assert_frame_equal(pd.concat(chunks), opened.events)
    pd.testing.assert_frame_equal(opened.events, events(rows), check_categorical=False)
    pd.testing.assert_frame_equal(lifetimes(chunks), lifetimes(opened.events))
    pd.testing.assert_frame_equal(lifetimes(opened), lifetimes(opened.events))
    pd.testing.assert_frame_equal(live_bytes(opened), live_bytes(opened.events))
    pd.testing.assert_frame_equal(site_table(opened), site_table(opened.events, opened.sites))
    with pytest.raises(TypeError, match="needs the sites"):
        site_table(opened.events)
    with pytest.raises(TypeError, match="reads events twice"):
        site_table(iter(opened), opened.sites)


def test_range_of_time(trace: Trace) -> None:
    assert [batch["time_ns"].tolist() for batch in trace.batches(to_ns=2)] == [[1, 1, 2]]
    assert [batch["time_ns"].tolist() for batch in trace.batches(from_ns=3)] == [[5, 9, 9]]


def test_empty_trace(tmp_path: Path) -> None:
    with read_trace(scribe(tmp_path / "empty.zst", ["end 0 0 0 0"])) as opened:
        assert len(opened.events) == 0
        assert list(opened.events.columns[:3]) == ["time_ns", "thread", "kind"]
        assert len(lifetimes(opened)) == 0
        assert len(opened.threads) == 0


def test_trace_cut_short(tmp_path: Path) -> None:
    path = scribe(tmp_path / "cut.zst", [*HEAD, *event_lines(ROWS)])
    opened = read_trace(path)
    assert not opened.complete
    assert opened.damage.startswith(f"{path}: ends at byte ")
    assert opened.totals is None
    pd.testing.assert_frame_equal(opened.events, events(ROWS), check_categorical=False)


def test_damage_is_found_after_the_whole_blocks(tmp_path: Path) -> None:
    rows = random_rows(3, 4000)
    lines = event_lines(rows)
    head = ["thread 1 0 -1 a"] * 3 + [f"site -1 {n} 0" for n in range(5)]
    body = [*lines[:1000], "flush", *lines[1000:]]
    path = scribe(tmp_path / "bad.zst", [*head, *body, "end 99999 0 0 0"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    taken: list[pd.DataFrame] = []
    with pytest.raises(TraceError, match=r"bad\.zst: block 1 .*") as caught:
        taken.extend(read_trace(path).batches())
    assert len(taken) == 1
    assert len(taken[0]) == 1000
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("no-trace", b"hello world, I am no trace at all", "not a trace"),
        ("empty", b"", "empty"),
        ("missing", None, "No such file"),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, name: str, data: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(TraceError, match=f"{name}: .*{sentence}"):
        read_trace(path)


def dumped(path: Path) -> pd.DataFrame:
    """What `haktrace dump` says of the events of a trace, in the columns of `Trace.events`."""
    done = run(BUILD / "haktrace", "dump", "--json", path)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    bits = {"failed": 1, "moved": 2, "foreign": 4, "repaired": 8}
    empty = {"size": 0, "align": 0, "object": -1, "old_object": -1, "site": -1, "addr": 0}
    for row in rows:
        row |= {name: value for name, value in empty.items() if row[name] is None}
        row["flags"] = sum(bits[flag] for flag in row["flags"])
    marks = ("thread_start", "thread_exit", "lost", "mark")
    return pd.DataFrame([row for row in rows if row["kind"] not in marks])


@pytest.mark.parametrize("name", ["tiny", "every", "later"])
def test_golden_files(name: str) -> None:
    found = read_trace(GOLDEN / f"{name}.zst").events
    expected = dumped(GOLDEN / f"{name}.zst")
    assert len(found) == len(expected) > 0
    for column in found.columns:
        assert found[column].tolist() == expected[column].tolist(), column


@pytest.mark.parametrize("line", VERDICTS, ids=lambda line: line.partition(" ")[0])
def test_bad_golden_files(line: str) -> None:
    name, verdict, rows, sentence = line.split(" | ", 3)
    taken: list[pd.DataFrame] = []
    damage = ""
    try:
        opened = read_trace(GOLDEN / "bad" / name)
        damage = opened.damage if verdict == "cut" else ""
        taken.extend(opened.batches())
        ended = "cut"
    except TraceError as error:
        damage = str(error)
        ended = "failed"
    assert ended == ("cut" if verdict == "cut" else "failed")
    assert damage.endswith(f"/{sentence}")
    assert sum(map(len, taken)) <= int(rows)


def test_missing_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAK_BUILD", str(tmp_path))
    with pytest.raises(TraceError, match=r"libhaktrace\.so is not at .*: run `make`"):
        binding.library_path()
    (tmp_path / "libhaktrace.so").write_bytes(b"no library")
    assert binding.library_path() == tmp_path / "libhaktrace.so"
    binding._library.cache_clear()
    with pytest.raises(TraceError, match=r"libhaktrace\.so cannot be loaded"):
        read_trace(tmp_path / "x.zst")
    binding._library.cache_clear()
