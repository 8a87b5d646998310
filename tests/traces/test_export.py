"""haktrace export to Android, collapsed stacks, heaptrack and Parquet; and what cannot be done."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from command import ROOT, info, run
from exporting import (
    FORMATS,
    HAKTRACE,
    Model,
    export,
    exported,
    large_trace,
    sample_trace,
    scribe,
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_trace(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_trace(tmp_path_factory.mktemp("large"))


# ---- android ----


def rows_of(trace: Path) -> list[str]:
    return run(HAKTRACE, "dump", trace).stdout.splitlines()


def round_trip(trace: Path, folder: Path) -> list[str]:
    """The rows after an export and an import."""
    output, again = folder / "again.txt", folder / "again.zst"
    assert export("android", trace, output).returncode == 0
    done = run(HAKTRACE, "import", "--from", "android", output, "-o", again)
    assert done.returncode == 0, done.stderr
    assert run(HAKTRACE, "verify", again).returncode == 0
    return rows_of(again)


def test_android(sample: Path, tmp_path: Path) -> None:
    output = tmp_path / "log"
    done = export("android", sample, output)
    assert done.returncode == 0
    assert done.stderr == f"haktrace: {output}: 2 blocks of unknown birth are not freed there\n"
    assert output.read_text().splitlines() == [
        "4711: memalign 0x1000 16 72 1 1",
        "4711: malloc 0x1010 72 1201 1201",
        "4711: memalign 0x1020 64 100 1301 1301",
        "4711: realloc 0x1030 0x1010 300 1401 1401",
        "4711: realloc 0x0 0x0 10 1501 1501",
        "4711: realloc 0x0 0x1030 18446744073709551615 1551 1551",
        "4711: realloc 0x0 0x1030 0 1601 1601",
        "4711: free 0x1020 1701 1701",
        "4711: realloc 0x1040 0x0 44 1851 1851",
        "4712: free 0x1000 1901 1901",
        "4712: malloc 0x1050 8 1951 1951",
        "4711: memalign 0x1060 4096 5000 1981 1981",
        "4711: memalign 0x1070 32 30 1991 1991",
        "4711: calloc 0x1080 1 60 1996 1996",
        "4712: thread_done 0x0 2000001",
        "4711: realloc 0x1080 0x1080 90 3000001 3000001",
    ]


ANDROID = """\
10: malloc 0x1000 8 100 110
10: calloc 0x2000 3 5 120 130
10: calloc 0x0 18446744073709551615 2 140 150
11: memalign 0x3000 64 100 160 170
11: free 0x1000 180 190
10: realloc 0x5000 0x2000 40 200 210
10: realloc 0x5000 0x5000 50 220 230
10: realloc 0x6000 0x0 5 240 250
10: realloc 0x0 0x5000 99999999999 260 270
10: realloc 0x0 0x6000 0 280 290
10: malloc 0x0 77 300 310
11: thread_done 0x0 320
11: malloc 0xffffffffffffffff 0 330 340
10: free 0x3000 350 360
"""


@pytest.mark.parametrize("timed", [True, False])
def test_android_comes_back(timed: bool, tmp_path: Path) -> None:
    text = ANDROID
    if not timed:
        text = re.sub(r"( \d+ \d+|(0x0) 320)$", r"\2", text, flags=re.M)
    log, trace = tmp_path / "log", tmp_path / "log.zst"
    log.write_text(text)
    done = run(HAKTRACE, "import", "--from", "android", log, "-o", trace)
    assert done.returncode == 0
    rows = rows_of(trace)
    assert len(rows) == 14 + 3  # and the starts of threads
    assert round_trip(trace, tmp_path) == rows


def test_a_long_trace_comes_back_as_android_knows_it(large: Path, tmp_path: Path) -> None:
    """A second way round changes nothing, and the first only what the log cannot say."""
    first = round_trip(large, tmp_path)
    (tmp_path / "again.zst").rename(tmp_path / "first.zst")
    assert round_trip(tmp_path / "first.zst", tmp_path) == first
    before, after = info(large), info(tmp_path / "first.zst")
    assert after["events"] == before["events"] + 100  # the inherited objects
    for same in "frees reallocs failed_allocs objects threads peak_live_bytes leaked_bytes".split():
        assert after[same] == before[same], same


def test_surfaceflinger_comes_back(shared_traces: Path, tmp_path: Path) -> None:
    trace = tmp_path / "surfaceflinger.zst"
    log = shared_traces / "surfaceflinger.zip"
    assert run(HAKTRACE, "import", "--from", "android", log, "-o", trace).returncode == 0
    assert round_trip(trace, tmp_path) == rows_of(trace)


def test_android_thread_ids(tmp_path: Path) -> None:
    """Ids too large, or of two threads at a time, are replaced; those used again are kept."""
    text = "".join(
        f"thread {tid} {start} {end} t\n"
        for tid, start, end in [(5, 0, -1), (5, 3, -1), (1 << 40, 4, -1), (7, 5, 7), (7, 8, -1)]
    )
    for i, thread in enumerate([0, 1, 2, 3]):
        text += f"event {i} {thread} 1 8 0 {i} -1 -1 0 0\n"
    text += "event 7 3 65 0 0 -1 -1 -1 0 0\nevent 8 4 1 8 0 4 -1 -1 0 0\nend 9 0 0 0\n"
    output = exported("android", scribe(tmp_path / "t.zst", text), tmp_path)
    tids = [line.split(":")[0] for line in output.read_text().splitlines()]
    assert tids == ["5", str(2**31 - 2), str(2**31 - 3), "7", "7", "7"]


# ---- collapsed ----


def test_collapsed(sample: Path, tmp_path: Path) -> None:
    assert exported("collapsed", sample, tmp_path).read_text().splitlines() == [
        "0x7f31c 5044",
        "[unknown] 30",
        "app+0x11e0 98",
        "libc.so.6+0x27000;app+0x1500;app+0x11d0 460",
        "libc.so.6+0x2a1b0 72",
    ]


def test_collapsed_sums(large: Path, tmp_path: Path) -> None:
    lines = exported("collapsed", large, tmp_path).read_text().splitlines()
    assert lines == sorted(lines)
    total = sum(int(line.rsplit(" ", 1)[1]) for line in lines)
    assert total == sum(Model.of(large).alloc_bytes.values())


# ---- heaptrack ----


def heaptrack_costs(recording: Path, kind: str, folder: Path) -> dict[str, int]:
    """Costs by call chain, as heaptrack_print sums them up."""
    if not shutil.which("heaptrack_print"):
        pytest.skip("heaptrack_print is not there")
    graph = folder / "graph"
    done = run(
        "heaptrack_print", "-f", recording, "-F", graph, "--flamegraph-cost-type", kind,
        "-p0", "-a0", "-T0", "-l0", "-m0",
    )  # fmt: skip
    assert done.returncode == 0
    assert "failed to parse" not in done.stderr
    costs: Counter[str] = Counter()
    for line in graph.read_text().splitlines():
        chain, cost = line.rsplit(" ", 1)
        costs[chain.strip()] += int(cost)
    return dict(costs)


def test_heaptrack(sample: Path, tmp_path: Path) -> None:
    output = exported("heaptrack", sample, tmp_path)
    costs = {kind: heaptrack_costs(output, kind, tmp_path) for kind in ("allocations", "leaked")}
    assert {chain: n for chain, n in costs["allocations"].items() if n} == {
        "[unknown];": 2,
        "libc.so.6+0x27000;app+0x1500;app+0x11d0;": 3,
        "libc.so.6+0x2a1b0;": 1,
        "0x7f31c;": 2,
        "app+0x11e0;": 2,
    }
    assert {chain: n for chain, n in costs["leaked"].items() if n} == {
        "[unknown];": 30,
        "0x7f31c;": 5044,
        "app+0x11e0;": 98,
    }


def test_heaptrack_sums(large: Path, tmp_path: Path) -> None:
    output = exported("heaptrack", large, tmp_path)
    figures = info(large)
    sums = {
        kind: sum(heaptrack_costs(output, kind, tmp_path).values())
        for kind in ("allocations", "leaked", "peak")
    }
    assert sums == {
        "allocations": figures["objects"],
        "leaked": figures["leaked_bytes"],
        "peak": figures["peak_live_bytes"],
    }


# ---- parquet ----


def test_parquet(sample: Path, large: Path, tmp_path: Path) -> None:
    haktrace = pytest.importorskip("haktrace")
    parquet = pytest.importorskip("pyarrow.parquet")
    for trace in (sample, large):
        table = parquet.read_table(exported("parquet", trace, tmp_path))
        with haktrace.read_trace(trace) as source:
            events, sites, threads = source.events, source.sites, source.threads
        for name in events.columns:
            found = table[name].to_pylist()
            wanted = events[name].tolist()
            if name in ("object", "old_object", "site"):
                wanted = [None if number == -1 else number for number in wanted]
            assert found == wanted, name
        assert table["tid"].to_pylist() == threads["tid"][events["thread"]].tolist()
        numbers = events["site"].tolist()
        modules, offsets, heights = (
            sites[name].tolist() for name in "module offset height".split()
        )
        modules = [path if isinstance(path, str) else None for path in modules]
        assert table["module"].to_pylist() == [None if n < 0 else modules[n] for n in numbers]
        assert table["offset"].to_pylist() == [None if n < 0 else offsets[n] for n in numbers]
        assert table["height"].to_pylist() == [
            None if n < 0 or not heights[n] else heights[n] for n in numbers
        ]
        command = {sample: b"app --fast", large: b"synthetic --run"}[trace]
        assert table.schema.metadata[b"haktrace.command"] == command


def test_parquet_without_rows_sites_and_threads(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    trace = scribe(tmp_path / "empty.zst", "fact program x\nend 0 0 0 0\n")
    assert parquet.read_table(exported("parquet", trace, tmp_path)).num_rows == 0


def test_parquet_without_the_package(sample: Path, tmp_path: Path) -> None:
    program = tmp_path / "haktrace"
    shutil.copy(HAKTRACE, program)
    words = [program, "export", "--to", "parquet", sample, "-o", tmp_path / "x"]
    done = run(*words, env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stderr) == (
        1,
        "haktrace: Parquet is written by the Python package haktrace; python3: "
        "No such file or directory\n",
    )
    (tmp_path / "python3").symlink_to("/usr/bin/python3")
    done = run(*words, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert re.fullmatch(
        r"haktrace: Parquet is written by the Python package haktrace, which \S*python3 cannot "
        r"import: No module named '\w+'\n",
        done.stderr,
    )


# ---- what cannot be exported ----


@pytest.mark.parametrize("kind", [*FORMATS, "parquet"])
def test_a_cut_trace(kind: str, large: Path, tmp_path: Path) -> None:
    trace, output = tmp_path / "cut.zst", tmp_path / "out"
    trace.write_bytes(large.read_bytes()[:-40000])
    done = export(kind, trace, output)
    assert done.returncode == 0
    assert re.fullmatch(
        rf"haktrace: {trace}: ends inside frame \d+ at byte \d+; \d+ rows before it can be read\n",
        done.stderr,
    )
    assert output.stat().st_size > 0


@pytest.mark.parametrize("kind", [*FORMATS, "parquet"])
def test_a_damaged_trace(kind: str, large: Path, tmp_path: Path) -> None:
    whole = large.read_bytes()
    trace, output = tmp_path / "damaged.zst", tmp_path / "out"
    middle = len(whole) // 2
    trace.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0x10]) + whole[middle + 1 :])
    done = export(kind, trace, output)
    assert done.returncode == 1
    assert re.fullmatch(rf"haktrace: {trace}: .+\n", done.stderr), done.stderr
    assert not output.exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_illegal_order(kind: str, tmp_path: Path) -> None:
    text = "thread 1 0 -1 t\nevent 0 0 1 8 0 0 -1 -1 0 0\n" + (
        "event 1 0 5 0 0 -1 0 -1 0 0\n" * 2 + "end 2 0 0 0\n"
    )
    trace, output = scribe(tmp_path / "illegal.zst", text), tmp_path / "out"
    done = export(kind, trace, output)
    assert (done.returncode, done.stderr) == (
        1,
        f"haktrace: {trace}: row 2 is out of order, nothing is exported "
        "('haktrace verify' tells why)\n",
    )
    assert not output.exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_golden_files_good_and_bad(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    for trace in sorted((ROOT / "traces" / "golden").rglob("*.zst")):
        output.unlink(missing_ok=True)
        done = export(kind, trace, output)
        assert done.returncode in (0, 1)
        if trace.parent.name == "golden":
            assert done.returncode == 0
        if done.returncode:
            assert re.fullmatch(rf"haktrace: {trace}: .+\n", done.stderr), done.stderr
            assert not output.exists()


@pytest.mark.parametrize("kind", FORMATS)
def test_outputs(kind: str, sample: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    assert export(kind, sample, output).returncode == 0
    piped = subprocess.run(
        [HAKTRACE, "export", "--to", kind, sample, "-o", "-"], capture_output=True, check=True
    )
    assert piped.stdout == output.read_bytes()
    done = export(kind, sample, "/dev/full")
    assert done.returncode == 1
    assert "/dev/full: No space left on device\n" in done.stderr
    assert Path("/dev/full").exists()
    done = export(kind, sample, tmp_path / "no" / "x")
    assert done.returncode == 1
    assert done.stderr == f"haktrace: {tmp_path}/no/x: No such file or directory\n"


def test_the_trace_itself_is_kept(sample: Path, tmp_path: Path) -> None:
    trace = tmp_path / "t.zst"
    shutil.copy(sample, trace)
    done = export("collapsed", trace, trace)
    assert (done.returncode, done.stderr) == (1, f"haktrace: {trace}: this is the trace itself\n")
    assert trace.read_bytes() == sample.read_bytes()
