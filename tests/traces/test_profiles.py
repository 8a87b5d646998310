"""haktrace export to pprof and Perfetto, read field by field; and the names of functions."""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import protobuf
import pytest
from command import BUILD, info, run
from exporting import HAKTRACE, Model, export, exported, large_trace, sample_trace, scribe


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_trace(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large_trace(tmp_path_factory.mktemp("large"))


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
        process = ""
        tracks = Tracks({}, [], 0)
        number, text, message = protobuf.number, protobuf.text, protobuf.message
        for packet in map(message, protobuf.fields(path.read_bytes())[1]):
            tracks.packets += 1
            time = number(packet, 8)
            assert number(packet, 10) == 1
            if 60 in packet:
                track = message(packet[60][0])
                if 3 in track:
                    process = names[number(track, 1)] = text(message(track[3][0]), 6)
                else:
                    names[number(track, 1)] = text(track, 2)
                    assert names[number(track, 5)] == process
                if 8 in track:
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
        (0, 1, "main", "main 4711"),
        (1900, 1, "worker", "worker 4712"),
        (1960, 3, "calls lost", "worker 4712"),
        (1970, 3, "halfway", "/usr/bin/app"),
        (2000000, 2, "", "worker 4712"),
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
    output = tmp_path / "out.collapsed"
    done = export("collapsed", named, output)
    mine = str(BUILD / "libhaktrace.so")
    assert (done.returncode, done.stderr) == (
        0,
        f"haktrace: {mine}: not the file that was recorded (build id {build_id_of(mine)}, recorded "
        f"{'0' * 40}): its functions are not named\n",
    )
    lines = output.read_text().splitlines()
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
    output = tmp_path / "out.pprof"
    assert export("pprof", named, output).returncode == 0
    profile = Profile.read(output)
    functions = {(p["name"], p["system_name"]) for p in profile.functions.values()}
    assert {
        ("trace_open", "trace_open"),
        ("operator new(unsigned long)", "_Znwm"),
    } <= functions
    assert [mapping["has_functions"] for mapping in profile.mappings.values()] == [1, 1, 0]
