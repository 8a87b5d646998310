"""libhakmem.so preloaded into programs that know nothing of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import BUILD, ROOT, run

PYTHON = sys.executable

pytestmark = pytest.mark.skipif(
    "/config/" in str(BUILD),
    reason="a sanitizer's own malloc comes first",
)


def preloaded(
    build: Path, *command: str | Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command under libhakmem.so."""
    environment = {**os.environ, "LD_PRELOAD": str(build / "libhakmem.so"), **variables}
    return run(*command, env=environment, timeout=60)


def helper(build: Path, name: str) -> Path:
    """A program of this folder."""
    return build / "tests" / "allocator" / name


def listed(name: str) -> list[str]:
    """The symbols of one list of traces/calls.h, as the compiler reads it."""
    x = "#define X(id, number, symbol, shape, name) symbol"
    source = f'#include "traces/calls.h"\n{x}\n{name}(X)\n'
    done = subprocess.run(
        ["gcc", "-E", "-P", "-I.", "-"],
        input=source,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def exported(library: Path) -> set[str]:
    """The names that a library defines for others."""
    done = run("nm", "-D", "--defined-only", library)
    return {line.split()[-1] for line in done.stdout.splitlines()}


def test_exports_every_interposed_name_and_nothing_unexpected(build: Path) -> None:
    own = {
        "hak_malloc", "hak_calloc", "hak_realloc", "hak_memalign", "hak_free",
        "hak_malloc_at", "hak_calloc_at", "hak_realloc_at", "hak_memalign_at", "hak_valloc_at",
        "hak_usable_size", "hak_trim", "hak_version", "hak_stats_get",
        "hak_part_get",
    }  # fmt: skip
    libc = {
        "malloc_usable_size", "malloc_trim", "mallopt", "mallinfo", "mallinfo2",
        "malloc_stats", "malloc_info", "dlclose",
    }  # fmt: skip
    names = set(listed("TRACE_CALLS"))
    assert len(names) == 30
    assert exported(build / "libhakmem.so") == names | own | libc


def test_archive_leaves_the_other_names_to_the_program(build: Path, tmp_path: Path) -> None:
    """One object with the library's exports alone, so that a static program has all or none."""
    archive = build / "libhakmem.a"
    done = run("nm", "--defined-only", "--extern-only", archive)
    names = {line.split()[-1] for line in done.stdout.splitlines() if len(line.split()) == 3}
    assert names == exported(build / "libhakmem.so")
    source = tmp_path / "clash.cc"
    source.write_text(
        'extern "C" char *hak_version(void); int options, window, started;\n'
        'extern "C" int heap_create(void) { return 5; }\n'
        "int main() { delete new int; return hak_version()[0] ? heap_create() : 1; }\n"
    )
    program = tmp_path / "clash"
    assert run("g++", "-static", "-o", program, source, archive).returncode == 0
    assert run(program).returncode == 5


def test_thread_local_storage_is_initial_exec(build: Path) -> None:
    done = run("readelf", "-dW", build / "libhakmem.so")
    assert "STATIC_TLS" in done.stdout
    relocations = run("readelf", "-rW", build / "libhakmem.so").stdout
    assert "TPOFF64" in relocations
    assert "DTPMOD64" not in relocations


def test_answers_for_malloc_in_a_program(build: Path) -> None:
    code = (
        "import ctypes;m=open('/proc/self/maps').read();"
        "c=ctypes.CDLL(None);print('libhakmem.so' in m, bool(c.hak_version))"
    )
    assert preloaded(build, PYTHON, "-c", code).stdout == "True True\n"


@pytest.mark.parametrize(
    ("case", "line"),
    [
        ("double-tiny", "double free of"),
        ("double-mid", "double free of"),
        ("double-large", "double free of"),
        ("double-whale", "double free of"),
        ("double-late", "double free of"),
        ("handled-double-tiny", "double free of"),
        ("handled-double-large", "double free of"),
        ("handled-double-whale", "double free of"),
        ("stack", "free of a foreign pointer:"),
        ("static", "free of a foreign pointer:"),
        ("wild", "free of a foreign pointer:"),
        ("realloc-stack", "not a block of this allocator:"),
        ("inside-tiny", "free of a pointer that is not the start of a block:"),
        ("inside-large", "free of a pointer that is not the start of a block:"),
        ("realloc-inside-large", "not the start of a block:"),
        ("realloc-inside-whale", "not the start of a block:"),
    ],
)
def test_misuse_ends_with_one_clear_line(build: Path, case: str, line: str) -> None:
    done = preloaded(build, helper(build, "misuse"), case)
    assert done.returncode == -6
    assert done.stdout == ""
    assert re.fullmatch(rf"hakmem: {re.escape(line)} 0x[0-9a-f]{{16}}\n", done.stderr)


@pytest.mark.parametrize("kind", ["stretch", "whale"])
def test_two_threads_that_free_a_whale_at_once_are_noticed(build: Path, kind: str) -> None:
    for _ in range(20):
        done = preloaded(build, helper(build, "misuse"), f"racing-{kind}")
        assert (done.returncode, done.stdout) == (-6, "")
        assert re.fullmatch(r"hakmem: double free of 0x[0-9a-f]{16}\n", done.stderr)


CONTENDED = (
    "refills", "flushes", "remote_batches", "spans_taken", "spans_returned",
    "whale_allocs", "lock_waits", "atomic_retries", "purge_calls", "mmap_calls",
)  # fmt: skip


def counters(build: Path, tmp_path: Path, *command: str | Path) -> dict[str, int]:
    """What hakmem counted while a command ran that printed "ok"."""
    file = tmp_path / "stats.json"
    done = preloaded(build, *command, HAKMEM_OPTIONS=f"stats={file}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
    counted: dict[str, int] = json.loads(file.read_text())
    return counted


def test_threads_of_their_own_share_nothing_per_operation(build: Path, tmp_path: Path) -> None:
    """16 threads replace a million blocks each way: what is shared is touched a few times each."""
    counted = counters(build, tmp_path, helper(build, "threads"), "private")
    assert sum(counted[name] for name in CONTENDED) < 16 * 150


def test_remote_frees_go_in_batches_and_come_back(build: Path, tmp_path: Path) -> None:
    """64 threads, every block freed by another one, small and large."""
    counted = counters(build, tmp_path, helper(build, "threads"), "remote")
    assert counted["remote_frees"] >= 64 * 10 * 900
    assert counted["remote_batches"] * 4 < counted["remote_frees"]
    assert counted["mapped_peak_bytes"] < 400 << 20


def test_cxx_operators_keep_their_promises(build: Path) -> None:
    bare = run(helper(build, "newdelete"))
    done = preloaded(build, helper(build, "newdelete"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == bare.stdout
    assert "new bad_alloc\n" in done.stdout
    assert "handler throws nothrow null after 4 calls\n" in done.stdout


@pytest.mark.parametrize("mode", ["destructors", "many", "fork", "signal"])
@pytest.mark.parametrize("options", ["", "tls=0", "tiny=0", "l25=0", "whale=0"])
def test_threads_live_and_die(build: Path, mode: str, options: str) -> None:
    done = preloaded(build, helper(build, "threads"), mode, HAKMEM_OPTIONS=options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("mode", ["growing", "handlers", "signal"])
@pytest.mark.parametrize("options", ["", "tls=0", "whale=0"])
def test_fork_never_hangs(build: Path, mode: str, options: str) -> None:
    done = preloaded(build, helper(build, "forks"), mode, HAKMEM_OPTIONS=options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_may_be_closed_while_its_threads_run(build: Path) -> None:
    done = run(helper(build, "closing"), build / "libhakmem.so")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_a_program_may_reserve_addresses(build: Path) -> None:
    done = preloaded(build, helper(build, "reserve"))
    assert done.stdout.splitlines() == [
        "reserved 2000", "blocked yes", "1 MiB: 2000", "9 MiB: 50", "5 GiB: 100",
    ]  # fmt: skip


def test_program_may_close_its_streams(build: Path) -> None:
    done = preloaded(build, helper(build, "threads"), "closed", HAKMEM_OPTIONS="stats=1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_options_report_mistakes_once(build: Path) -> None:
    done = preloaded(build, "/bin/true", HAKMEM_OPTIONS="speed=11,tls=x")
    assert done.stderr == (
        "hakmem: HAKMEM_OPTIONS has an unknown key 'speed'\n"
        "hakmem: HAKMEM_OPTIONS has a value that is not 0 or 1 for 'tls'\n"
    )
    assert done.returncode == 0


def fields() -> list[str]:
    """The counters' names in hakmem.h."""
    text = (ROOT / "allocator" / "hakmem.h").read_text()
    return re.findall(r"^\tX\((\w+),", text, re.MULTILINE)


def test_stats_to_a_file_are_json_with_every_counter(build: Path, tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    code = "x=[bytes(3000000) for _ in range(5)];del x;y=[str(i) for i in range(100000)]"
    done = preloaded(
        build, PYTHON, "-c", code, HAKMEM_OPTIONS=f"stats={file}", PYTHONMALLOC="malloc"
    )
    assert (done.returncode, done.stderr) == (0, "")
    stats = json.loads(file.read_text())
    assert list(stats) == ["version", *fields()]
    assert stats["version"] == 1
    assert stats["whale_allocs"] >= 5
    assert stats["refill_blocks"] >= 50000
    assert stats["heaps_created"] == 1


def test_stats_to_stderr_name_every_counter(build: Path) -> None:
    done = preloaded(build, "/bin/true", HAKMEM_OPTIONS="stats=1")
    lines = done.stderr.splitlines()
    assert lines[0] == "hakmem: counters"
    assert [line.split()[1].rstrip(":") for line in lines[1:]] == fields()


def test_stats_file_that_cannot_be_written_is_reported(build: Path) -> None:
    done = preloaded(build, "/bin/true", HAKMEM_OPTIONS="stats=/nowhere/at/all")
    assert done.returncode == 0
    assert done.stderr == "hakmem: cannot write the counters to '/nowhere/at/all'\n"


@pytest.mark.parametrize("options", ["", "whale=0"])
def test_whale_switch_decides_about_reuse(build: Path, tmp_path: Path, options: str) -> None:
    file = tmp_path / "stats.json"
    code = "for _ in range(50): bytearray(4000000)"
    done = preloaded(build, PYTHON, "-c", code, HAKMEM_OPTIONS=f"stats={file},{options}")
    assert (done.returncode, done.stderr) == (0, "")
    stats = json.loads(file.read_text())
    assert (stats["whale_hits"] >= 45) == (options == "")
    assert (stats["munmap_calls"] >= 50) == (options != "")


def test_whale_capacity_is_honoured(build: Path, tmp_path: Path) -> None:
    file = tmp_path / "stats.json"
    code = "x=[bytearray(2500000) for _ in range(8)];del x"
    for capacity in ("0", "3"):
        preloaded(
            build,
            PYTHON,
            "-c",
            code,
            HAKMEM_OPTIONS=f"stats={file}",
            HKM_WHALE_CAPACITY=capacity,
        )
        kept = json.loads(file.read_text())["whale_kept_bytes"]
        assert kept // 2500000 == int(capacity)


def test_counters_repeat_exactly(build: Path, tmp_path: Path) -> None:
    """One order of calls gives one outcome, whatever the addresses."""
    code = "d={i:str(i)*(i%50) for i in range(60000)};del d;x=bytes(5000000)"
    seen = []
    for number in range(2):
        file = tmp_path / f"{number}.json"
        preloaded(
            build, PYTHON, "-c", code, HAKMEM_OPTIONS=f"stats={file}",
            PYTHONMALLOC="malloc", PYTHONHASHSEED="0",
        )  # fmt: skip
        seen.append(json.loads(file.read_text()))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("limit_kib", [60_000, 1_000_000])
def test_stays_usable_when_the_address_space_ends(build: Path, limit_kib: int) -> None:
    code = (
        "x=[]\n"
        "try:\n"
        "    while True: x.append(bytearray(len(x) % 100 * 1000 + 10))\n"
        "except MemoryError: n = len(x); x = None\n"
        "print(n > 100, len([i for i in range(100000)]))\n"
    )
    command = f"ulimit -v {limit_kib}; exec {PYTHON} -c '{code}'"
    done = preloaded(build, "bash", "-c", command)
    assert (done.stdout, done.stderr) == ("True 100000\n", "")


def test_growth_needs_only_the_difference_under_a_limit(build: Path) -> None:
    code = (
        "import ctypes as t;c=t.CDLL(None);c.realloc.restype=t.c_void_p\n"
        "c.realloc.argtypes=[t.c_void_p,t.c_size_t]\n"
        "p=c.realloc(None,400<<20);t.memset(p,7,4096)\n"
        "p=c.realloc(p,700<<20);print(bool(p) and t.string_at(p,4096)==bytes([7])*4096)\n"
    )
    command = f"ulimit -v 1000000; exec {PYTHON} -c '{code}'"
    done = preloaded(build, "bash", "-c", command)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_trivial_program_is_lean(build: Path) -> None:
    code = ["grep", "VmHWM", "/proc/self/status"]
    bare = int(run(*code).stdout.split()[1])
    done = int(preloaded(build, *code).stdout.split()[1])
    assert done - bare <= 1024


def test_can_be_loaded_by_name(build: Path) -> None:
    """By dlopen: the thread-local block fits the surplus; hak_* works beside malloc."""
    code = (
        "import ctypes,sys\n"
        "h=ctypes.CDLL(sys.argv[1])\n"
        "h.hak_malloc.restype=ctypes.c_void_p\n"
        "h.hak_free.argtypes=[ctypes.c_void_p]\n"
        "h.hak_version.restype=ctypes.c_char_p\n"
        "p=[h.hak_malloc(ctypes.c_size_t(i)) for i in range(1,3000)]\n"
        "assert len(set(p))==2999 and all(p)\n"
        "[h.hak_free(x) for x in p]\n"
        "print(h.hak_version().decode())\n"
    )
    done = run(PYTHON, "-c", code, build / "libhakmem.so")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done.stdout)
