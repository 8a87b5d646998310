"""haktrace export: what is written, read back by the tool it is for or against a model of rows."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import protobuf
import pytest
from command import BUILD, info, run

HAKTRACE = BUILD / "haktrace"
SCRIBE = BUILD / "tests" / "analysis" / "scribe"
GENERATE = BUILD / "tests" / "traces" / "generate"
FORMATS = ("android", "collapsed", "heaptrack", "perfetto", "pprof")

# Modules 0 and 1, sites 0 to 3; site 0 has a stack, and a second one that does not count.
TABLES = """\
fact program /usr/bin/app
fact command app --fast
fact pid 4711
fact start_unix_ns 1700000000000000000
module 0x555500000000 0x2000 00ff /usr/bin/app
module 0x7f0000000000 0x2000 - /lib/libc.so.6
site 0 0x11d0 96
site 1 0x2a1b0 2064
site -1 0x7f31c 0
site 0 0x11e0 0
stack 0 0 0x11d0 0 0x1500 1 0x27000
stack 0 0 0x11d0 0 0x1600
thread 4711 0 -1 main
thread 4712 1900 2000000 worker
mark halfway
"""
ROWS = """\
event 0 0 66 72 16 0 -1 -1 0 0
event 1200 0 1 72 0 1 -1 1 0 0
event 1300 0 6 100 64 2 -1 0 0 0
event 1400 0 3 300 0 3 1 0 2 0
event 1500 0 3 10 0 -1 -1 2 1 0
event 1550 0 3 18446744073709551615 0 -1 3 2 1 0
event 1560 0 3 0 0 -1 3 2 1 0
event 1600 0 3 0 0 -1 3 -1 0 0
event 1700 0 5 0 0 -1 2 0 0 0
event 1800 0 5 0 0 -1 -1 -1 4 0
event 1850 0 3 44 0 4 -1 2 4 0
event 1900 1 64 0 0 -1 -1 -1 0 0
event 1900 1 34 72 0 -1 0 0 8 0
event 1950 1 16 8 0 5 -1 3 0 0
event 1960 1 67 12 0 -1 -1 -1 0 0
event 1970 0 68 0 0 -1 -1 -1 0 0
event 1980 0 9 5000 0 6 -1 2 0 0
event 1990 0 20 30 32 7 -1 -1 0 0
event 1995 0 2 60 0 8 -1 0 0 0
event 2000000 1 65 0 0 -1 -1 -1 0 0
event 3000000 0 4 90 0 9 8 3 0 0
"""
END = "end 3000100 12 0 0\n"


def export(kind: str, trace: Path, output: Path | str) -> subprocess.CompletedProcess[str]:
    return run(HAKTRACE, "export", "--to", kind, trace, "-o", output)


def exported(kind: str, trace: Path, folder: Path) -> Path:
    """The written file; nothing is said."""
    output = folder / f"out.{kind}"
    done = export(kind, trace, output)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return output


def scribe(path: Path, text: str) -> Path:
    done = run(SCRIBE, path, input=text)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace with every sort of row."""
    return scribe(tmp_path_factory.mktemp("sample") / "sample.zst", TABLES + ROWS + END)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trace of several blocks."""
    path = tmp_path_factory.mktemp("large") / "large.zst"
    assert run(GENERATE, "--events", "100000", path).returncode == 0
    return path


@dataclass
class Model:
    """What the rows of a trace do, from `haktrace dump`."""

    allocs: Counter[int | None] = field(default_factory=Counter)  # by site
    alloc_bytes: Counter[int | None] = field(default_factory=Counter)
    live: dict[int, tuple[int, int | None]] = field(default_factory=dict)  # size, site
    steps: list[tuple[int, int, int]] = field(default_factory=list)  # time, bytes, objects
    leaked: Counter[int | None] = field(default_factory=Counter)

    @staticmethod
    def of(trace: Path) -> Model:
        model = Model()
        live_bytes = 0
        for line in run(HAKTRACE, "dump", "--json", trace).stdout.splitlines():
            row = json.loads(line)
            if row["old_object"] is not None and "failed" not in row["flags"]:
                live_bytes -= model.live.pop(row["old_object"])[0]
            if row["object"] is not None:
                model.live[row["object"]] = (row["size"], row["site"])
                live_bytes += row["size"]
                if row["kind"] != "inherited":
                    model.allocs[row["site"]] += 1
                    model.alloc_bytes[row["site"]] += row["size"]
            model.steps.append((row["time_ns"], live_bytes, len(model.live)))
        for size, site in model.live.values():
            model.leaked[site] += size
        return model


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


# ---- names of functions ----


def function_in(path: str, name: str) -> int:
    """Where a function that a shared library exports begins."""
    for line in run("nm", "-D", "--defined-only", path).stdout.splitlines():
        words = line.split()
        if words[-1].split("@")[0] == name:
            return int(words[0], 16)
    pytest.skip(f"{path} does not export {name}")


def build_id_of(path: str) -> str:
    found = re.search(r"Build ID: ([0-9a-f]+)", run("readelf", "-n", path).stdout)
    if not found:
        pytest.skip(f"{path} has no build id")
    return found[1]


LIBSTDCXX = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A trace whose sites lie in libhaktrace.so, libstdc++ and a file that is another by now."""
    mine, cxx = str(BUILD / "libhaktrace.so"), LIBSTDCXX
    begin, new = function_in(mine, "trace_open"), function_in(cxx, "_Znwm")
    text = f"""\
module 0x1000000 0x100000 {build_id_of(mine)} {mine}
module 0x2000000 0x300000 {build_id_of(cxx)} {cxx}
module 0x3000000 0x100000 {"0" * 40} {mine}
site 0 {begin + 1} 0
site 1 {new + 5} 0
site 2 {begin + 5} 0
site 0 {begin + 9} 8
site 0 {begin} 0
stack 0 0 {begin + 1} 1 {new + 5}
thread 1 0 -1 main
"""
    for site in range(5):
        text += f"event {site} 0 1 {10**site} 0 {site} -1 {site} 0 0\n"
    return scribe(tmp_path / "named.zst", text + "end 9 0 0 0\n")


def test_functions_are_named(named: Path, tmp_path: Path) -> None:
    begin = function_in(str(BUILD / "libhaktrace.so"), "trace_open")
    lines = exported("collapsed", named, tmp_path).read_text().splitlines()
    # the return address right at a function's start belongs to the one before
    before = [line for line in lines if line.endswith(" 10000")]
    assert len(before) == 1
    assert not before[0].startswith("trace_open ")
    assert sorted(set(lines) - set(before)) == [
        f"libhaktrace.so+{begin + 5:#x} 100",
        "operator new(unsigned long) 10",
        "operator new(unsigned long);trace_open 1",
        "trace_open 1000",
    ]


def test_pprof_names_functions(named: Path, tmp_path: Path) -> None:
    profile = Profile.read(exported("pprof", named, tmp_path))
    functions = {(p["name"], p["system_name"]) for p in profile.functions.values()}
    assert {
        ("trace_open", "trace_open"),
        ("operator new(unsigned long)", "_Znwm"),
    } <= functions
    assert [mapping["has_functions"] for mapping in profile.mappings.values()] == [1, 1, 0]


# ---- pprof ----


@dataclass
class Profile:
    """What profile.proto says, with strings and numbers resolved."""

    types: list[tuple[str, str]]
    default: str
    samples: list[tuple[list[int], list[int]]]  # locations, values
    locations: dict[int, dict[str, Any]]
    functions: dict[int, dict[str, Any]]
    mappings: dict[int, dict[str, Any]]
    duration_ns: int
    time_ns: int

    @staticmethod
    def read(path: Path) -> Profile:
        top = protobuf.fields(gzip.decompress(path.read_bytes()))
        strings = [entry.decode() for entry in top[6] if isinstance(entry, bytes)]
        assert strings[0] == ""
        number, message = protobuf.number, protobuf.message

        def named(
            entries: list[protobuf.Field], words: dict[str, int]
        ) -> dict[int, dict[str, Any]]:
            parsed = [message(entry) for entry in entries]
            return {
                number(entry, 1): {
                    name: strings[number(entry, n)] if n < 0x100 else number(entry, n >> 8)
                    for name, n in words.items()
                }
                for entry in parsed
            }

        locations = {}
        for entry in map(message, top[4]):
            line = message(entry[4][0])
            locations[number(entry, 1)] = {
                "mapping": number(entry, 2),
                "address": number(entry, 3),
                "function": number(line, 1),
            }
        mappings = {
            "file": 5, "build_id": 6, "start": 2 << 8, "limit": 3 << 8, "has_functions": 7 << 8,
        }  # fmt: skip
        return Profile(
            [(strings[number(t, 1)], strings[number(t, 2)]) for t in map(message, top[1])],
            strings[number(top, 14)],
            [
                (protobuf.packed(s[1][0]), protobuf.packed(s[2][0]))
                for s in map(message, top.get(2, []))
            ],
            locations,
            named(top[5], {"name": 2, "system_name": 3, "file": 4}),
            named(top.get(3, []), mappings),
            number(top, 10),
            number(top, 9),
        )

    def name(self, location: int) -> str:
        return str(self.functions[self.locations[location]["function"]]["name"])


def test_pprof(sample: Path, tmp_path: Path) -> None:
    profile = Profile.read(exported("pprof", sample, tmp_path))
    assert profile.types == [
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ]
    assert profile.default == "alloc_space"
    assert (profile.time_ns, profile.duration_ns) == (1700000000000000000, 3000100)
    samples = {
        ";".join(profile.name(location) for location in locations): values
        for locations, values in profile.samples
    }
    assert samples == {
        "app+0x11d0;app+0x1500;libc.so.6+0x27000": [3, 460, 0, 0],
        "libc.so.6+0x2a1b0": [1, 72, 0, 0],
        "0x7f31c": [2, 5044, 2, 5044],
        "app+0x11e0": [2, 98, 2, 98],
        "[unknown]": [1, 30, 1, 30],
    }
    places = {
        profile.name(number): (place["mapping"], place["address"])
        for number, place in profile.locations.items()
    }
    assert places["app+0x1500"] == (1, 0x5555000014FF)
    assert places["libc.so.6+0x2a1b0"] == (2, 0x7F000002A1AF)
    assert places["0x7f31c"] == (0, 0x7F31B)
    assert profile.mappings[1] == {
        "file": "/usr/bin/app",
        "build_id": "00ff",
        "start": 0x555500000000,
        "limit": 0x555500002000,
        "has_functions": 0,
    }
    assert profile.mappings[2]["limit"] == 0x7F000002A1B0


def test_pprof_sums(large: Path, tmp_path: Path) -> None:
    profile = Profile.read(exported("pprof", large, tmp_path))
    model, figures = Model.of(large), info(large)
    values = [sum(column) for column in zip(*(v for _, v in profile.samples), strict=True)]
    assert values == [
        sum(model.allocs.values()),
        sum(model.alloc_bytes.values()),
        figures["leaked_objects"],
        figures["leaked_bytes"],
    ]
    for locations, (allocs, alloc_bytes, _, leaked) in profile.samples:
        if profile.name(locations[0]) == "[unknown]":
            assert (allocs, alloc_bytes, leaked) == (0, 0, model.leaked[None])
    sizes = sorted(v[1] for _, v in profile.samples if v[1])
    assert sizes == sorted(model.alloc_bytes.values())


def test_pprof_reads_it(sample: Path, tmp_path: Path) -> None:
    go = shutil.which("go")
    if not go:
        pytest.skip("go tool pprof is not there")
    output = exported("pprof", sample, tmp_path)
    done = run(go, "tool", "pprof", "-raw", output)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ +3 +460 +0 +0: 1 2 3 *$", done.stdout, re.M)


# ---- perfetto ----


@dataclass
class Tracks:
    """What a Perfetto trace holds."""

    counters: dict[str, list[tuple[int, int]]]  # time, value
    events: list[tuple[int, int, str, str]]  # time, type, name, track
    packets: int

    @staticmethod
    def read(path: Path) -> Tracks:
        names: dict[int, str] = {}
        tracks = Tracks({}, [], 0)
        number, text, message = protobuf.number, protobuf.text, protobuf.message
        for packet in map(message, protobuf.fields(path.read_bytes())[1]):
            tracks.packets += 1
            time = number(packet, 8)
            assert number(packet, 10) == 1
            if 60 in packet:
                track = message(packet[60][0])
                if 3 in track:
                    names[number(track, 1)] = text(message(track[3][0]), 6)
                elif 4 in track:
                    thread = message(track[4][0])
                    names[number(track, 1)] = f"{number(thread, 2)} {text(thread, 5)}"
                else:
                    assert 8 in track
                    names[number(track, 1)] = text(track, 2)
                    tracks.counters[text(track, 2)] = []
                continue
            event = message(packet[11][0])
            name = names[number(event, 11)]
            if number(event, 9) == 4:
                tracks.counters[name].append((time, number(event, 30)))
            else:
                tracks.events.append((time, number(event, 9), text(event, 23), name))
        return tracks


def test_perfetto(sample: Path, tmp_path: Path) -> None:
    tracks = Tracks.read(exported("perfetto", sample, tmp_path))
    steps = Model.of(sample).steps
    assert tracks.counters["live bytes"] == [(time, size) for time, size, _ in steps]
    assert tracks.counters["live objects"] == [(time, n) for time, _, n in steps]
    assert tracks.counters["allocated objects"][-1] == (3000000, 10)
    assert tracks.counters["allocated bytes"][-1] == (3000000, 5776)
    assert tracks.events == [
        (0, 1, "main", "4711 main"),
        (1900, 1, "worker", "4712 worker"),
        (1960, 3, "calls lost", "4712 worker"),
        (1970, 3, "halfway", "/usr/bin/app"),
        (2000000, 2, "", "4712 worker"),
    ]


def test_perfetto_of_a_long_trace(large: Path, tmp_path: Path) -> None:
    tracks = Tracks.read(exported("perfetto", large, tmp_path))
    figures, steps = info(large), Model.of(large).steps
    live = tracks.counters["live bytes"]
    assert tracks.packets < 2 * 4 * 16384 + 1000
    assert max(value for _, value in live) == figures["peak_live_bytes"]
    assert live[-1][1] == figures["leaked_bytes"]
    assert tracks.counters["live objects"][-1][1] == figures["leaked_objects"]
    assert tracks.counters["allocated objects"][-1][1] == figures["objects"]
    assert [time for time, _ in live] == sorted(time for time, _ in live)
    assert set(live) <= {(time, size) for time, size, _ in steps}


def test_perfetto_without_times(tmp_path: Path) -> None:
    log, trace = tmp_path / "log", tmp_path / "log.zst"
    log.write_text("1: malloc 0x1 8\n1: malloc 0x2 9\n1: free 0x1\n")
    assert run(HAKTRACE, "import", "--from", "android", log, "-o", trace).returncode == 0
    tracks = Tracks.read(exported("perfetto", trace, tmp_path))
    assert tracks.counters["live bytes"] == [(0, 0), (1000, 8), (2000, 17), (3000, 9)]


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
