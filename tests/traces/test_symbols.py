"""Names of functions: inlined calls, lines, stripped files, debug files, files that changed."""

from __future__ import annotations

import gzip
import json
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import protobuf
import pytest
from command import BUILD, run
from haktrace import read_trace, site_names

HAKTRACE = BUILD / "haktrace"

# Forty calls, so that the stack is recorded; what is inlined says so, and the line of each call is
# the one that the tests name.
INLINING = """\
#include <stdlib.h>
static void *volatile sink;
static inline __attribute__((always_inline)) void *leaf(size_t size)
{
        return malloc(size);
}
static inline __attribute__((always_inline)) void *middle(size_t size)
{
        return leaf(size + 1);
}
__attribute__((noinline)) void outer(size_t size);
void outer(size_t size)
{
        sink = middle(size);
        __asm__ volatile("");
}
int main(void)
{
        for (int i = 0; i < 40; i++) {
                outer(41);
                free(sink);
        }
        return 0;
}
"""
INLINED = "leaf (app.c:5) < middle (app.c:9) < outer (app.c:14)"

TEMPLATES = """\
#include <cstdlib>
namespace box {
template <typename T> struct shelf {
        __attribute__((noinline)) T *take(int count)
        {
                T *taken = static_cast<T *>(malloc(sizeof(T) * count));
                __asm__ volatile("" : : "r"(taken));
                return taken;
        }
};
}
int main()
{
        box::shelf<long> shelf;
        free(shelf.take(3));
        return 0;
}
"""


def compiled(folder: Path, source: str, *options: str, suffix: str = "c") -> Path:
    code, program = folder / f"app.{suffix}", folder / "app"
    code.write_text(source)
    compiler = {"c": "gcc", "cc": "g++"}[suffix]
    done = run(compiler, "-O2", *options, "-o", program, code, cwd=folder)
    assert done.returncode == 0, done.stderr
    return program


def recorded(program: Path) -> Path:
    trace = program.with_suffix(".zst")
    done = run(BUILD / "hakrec", "--quiet", "-o", trace, program)
    assert done.returncode == 0, done.stderr
    return trace


def dumped(trace: Path, **environment: str) -> tuple[list[str], str]:
    """The sites of the allocations, without their heights, and what was said."""
    done = run(HAKTRACE, "dump", "--symbols", trace, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [row[3].rpartition("@")[0] for row in rows if row[2].startswith("malloc")], done.stderr


def exported(form: str, trace: Path) -> Path:
    output = trace.with_suffix(f".{form}")
    done = run(HAKTRACE, "export", "--to", form, trace, "-o", output)
    assert (done.returncode, done.stderr) == (0, "")
    return output


@pytest.fixture(scope="module")
def inlining(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(compiled(tmp_path_factory.mktemp("inlining"), INLINING, "-g"))


def test_dump(inlining: Path) -> None:
    assert dumped(inlining) == ([INLINED] * 40, "")


def test_dump_json(inlining: Path) -> None:
    done = run(HAKTRACE, "dump", "--symbols", "--json", inlining)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    source = str(inlining.with_suffix(".c"))
    assert next(row["frames"] for row in rows if row["kind"] == "malloc") == [
        {"function": "leaf", "file": source, "line": 5},
        {"function": "middle", "file": source, "line": 9},
        {"function": "outer", "file": source, "line": 14},
    ]
    assert next(row["frames"] for row in rows if row["kind"] == "free") == [
        {"function": "main", "file": source, "line": 21}
    ]
    assert "frames" not in run(HAKTRACE, "dump", "--json", inlining).stdout


def test_collapsed(inlining: Path) -> None:
    lines = exported("collapsed", inlining).read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(";main;outer;middle;leaf 1680")


@dataclass
class Message:
    """A message of profile.proto, its fields by number."""

    fields: dict[int, list[Any]]

    def all(self, field: int) -> list[Message]:
        return [Message(protobuf.message(entry)) for entry in self.fields.get(field, [])]

    def number(self, field: int) -> int:
        return int(protobuf.number(self.fields, field))


def test_pprof(inlining: Path) -> None:
    content = gzip.decompress(exported("pprof", inlining).read_bytes())
    profile = Message(protobuf.fields(content))
    strings = [entry.decode() for entry in profile.fields[6]]
    functions = {
        entry.number(1): (strings[entry.number(2)], strings[entry.number(4)])
        for entry in profile.all(5)
    }
    lines = [
        [(*functions[line.number(1)], line.number(2)) for line in location.all(4)]
        for location in profile.all(4)
    ]
    source = str(inlining.with_suffix(".c"))
    assert [("leaf", source, 5), ("middle", source, 9), ("outer", source, 14)] in lines
    assert [("main", source, 20)] in lines
    mappings = {strings[entry.number(5)]: entry for entry in profile.all(3)}
    own = mappings[str(inlining.with_suffix(""))]
    assert [own.number(flag) for flag in (7, 8, 9, 10)] == [1, 1, 1, 1]


def test_heaptrack(inlining: Path) -> None:
    done = run("heaptrack_print", exported("heaptrack", inlining))
    words = done.stdout.split()
    start = words.index("leaf")
    source = inlining.with_suffix(".c")
    assert words[start : start + 11] == [
        *("leaf", "at", f"{source}:5", "in", str(inlining.with_suffix(""))),
        *("middle", "at", f"{source}:9", "outer", "at", f"{source}:14"),
    ]


def test_data_frames(inlining: Path) -> None:
    trace = read_trace(inlining)
    names = site_names(trace)
    assert list(names.index) == list(trace.sites.index)
    calls = trace.events.loc[trace.events["kind"] == "malloc", "site"]
    assert set(names[calls]) == {INLINED}
    own = trace.symbols[trace.symbols["site"] == calls.iloc[0]]
    named = own[own["module"] == str(inlining.with_suffix(""))]
    columns = ["depth", "inlined", "function", "line"]
    assert named[columns].head(4).to_numpy().tolist() == [
        [0, 0, "leaf", 5],
        [0, 1, "middle", 9],
        [0, 2, "outer", 14],
        [1, 0, "main", 20],
    ]


def test_templates_demangled(tmp_path: Path) -> None:
    trace = recorded(compiled(tmp_path, TEMPLATES, "-g", suffix="cc"))
    assert "box::shelf<long>::take(int) (app.cc:6)" in dumped(trace)[0]


def test_symbol_table_without_debug_information(tmp_path: Path) -> None:
    trace = recorded(compiled(tmp_path, INLINING))
    assert dumped(trace) == (["outer"] * 40, "")


def test_stripped_to_the_dynamic_symbols(tmp_path: Path) -> None:
    program = compiled(tmp_path, INLINING, "-s", "-rdynamic")
    assert dumped(recorded(program)) == (["outer"] * 40, "")


def test_stripped(tmp_path: Path) -> None:
    program = compiled(tmp_path, INLINING, "-s")
    sites, said = dumped(recorded(program))
    assert (len(sites), said) == (40, "")
    assert all(site.startswith("app+0x") for site in sites)


def split(program: Path, debug: Path) -> str:
    """Moves a program's debug information into a file of its own. Returns its build id."""
    notes = run("readelf", "-n", program).stdout
    assert run("objcopy", "--only-keep-debug", program, debug).returncode == 0
    assert run("strip", program).returncode == 0
    return notes.partition("Build ID: ")[2].split()[0]


def test_debuglink(tmp_path: Path) -> None:
    program = compiled(tmp_path, INLINING, "-g")
    debug = tmp_path / ".debug" / "app.debug"
    debug.parent.mkdir()
    split(program, debug)
    assert run("objcopy", f"--add-gnu-debuglink={debug}", program).returncode == 0
    assert dumped(recorded(program)) == ([INLINED] * 40, "")


@pytest.mark.parametrize("gone", [False, True], ids=["stripped", "gone"])
def test_debuginfod(gone: bool, tmp_path: Path) -> None:
    program = compiled(tmp_path, INLINING, "-g")
    whole = program.read_bytes()
    build_id = split(program, tmp_path / "debug")
    trace = recorded(program)
    folder = tmp_path / "server" / "buildid" / build_id
    folder.mkdir(parents=True)
    (tmp_path / "debug").rename(folder / "debuginfo")
    if gone:
        program.unlink()
        (folder / "executable").write_bytes(whole)
    server = {
        "DEBUGINFOD_URLS": f"file://{tmp_path}/server",
        "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache"),
    }
    assert dumped(trace, **server) == ([INLINED] * 40, "")
    assert not any("leaf" in site for site in dumped(trace, DEBUGINFOD_URLS="")[0])


def test_file_that_changed(tmp_path: Path) -> None:
    program = compiled(tmp_path, INLINING, "-g")
    trace = recorded(program)
    compiled(tmp_path, INLINING.replace("41", "42"), "-g")
    sites, said = dumped(trace)
    assert all(site.startswith("app+0x") for site in sites)
    (line,) = said.splitlines()
    assert line.startswith(f"haktrace: {program}: not the file that was recorded (build id ")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        names = site_names(read_trace(trace))
    assert [str(warning.message) for warning in caught] == [line.partition(": ")[2]]
    assert names.str.startswith("app+0x").any()


def test_file_without_a_build_id(tmp_path: Path) -> None:
    program = compiled(tmp_path, INLINING, "-g", "-Wl,--build-id=none")
    time.sleep(0.1)  # of such a file the time alone tells that it is the one that ran
    trace = recorded(program)
    assert dumped(trace) == ([INLINED] * 40, "")
    program.touch()
    sites, said = dumped(trace)
    assert all(site.startswith("app+0x") for site in sites)
    assert "no build id, and changed since" in said
