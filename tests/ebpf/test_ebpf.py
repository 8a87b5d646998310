"""The eBPF backend: the same trace as preload, and what preload cannot record."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from command import run
from program import clean_environ
from programs import PRIME_LIBC_CALLS
from recording import HAKREC, WORKLOADS, Recording, Trace, children, record, stacks, wait_for

pytestmark = pytest.mark.usefixtures("ebpf")

EBPF = ("--quiet", "--backend", "ebpf")
PRELOAD = ("--quiet", "--backend", "preload")
TEAM_CALLS = 296
PRIME_CALLS = 200_003
PRIME_ALL = PRIME_CALLS + PRIME_LIBC_CALLS
BPFTOOL = shutil.which("bpftool", path="/usr/sbin:/usr/bin") or "bpftool"


def call(row: dict[str, Any]) -> tuple[object, ...]:
    """A call with all that must not depend on how it was recorded."""
    return (
        row["thread"], row["kind"], row["size"], row["align"], tuple(row["flags"]), row["offset"],
        row["height"], row["object"] is None, row["old_object"] is None,
    )  # fmt: skip


def calls(trace: Trace, module: str) -> dict[int, list[tuple[object, ...]]]:
    """The calls from one module, thread by thread."""
    threads: dict[int, list[tuple[object, ...]]] = {}
    for row in trace.calls_from(module):
        threads.setdefault(row["thread"], []).append(call(row))
    return threads


def both(folder: Path, *command: str | Path) -> tuple[Recording, Recording]:
    """A program recorded by both backends, with the same output and status."""
    preload = record(folder / "preload", *command, options=PRELOAD)
    ebpf = record(folder / "ebpf", *command, options=EBPF)
    assert ebpf.done.returncode == preload.done.returncode
    assert ebpf.done.stdout == preload.done.stdout
    assert ebpf.done.stderr == ""
    ebpf.assert_sound()
    return preload, ebpf


# ---- the same trace ----


@pytest.mark.parametrize("program", ["hello", "operators", "heights", "exits", "stubborn"])
def test_agrees_with_preload(tmp_path: Path, program: str) -> None:
    """Event for event: threads, kinds, sizes, alignments, return addresses and stack heights."""
    preload, ebpf = both(tmp_path, WORKLOADS / program)
    expected = calls(preload.trace, program)
    assert expected
    assert calls(ebpf.trace, program) == expected
    assert ebpf.trace.info["backend"] == "ebpf"
    if program != "hello":
        assert all(row[6] for rows in expected.values() for row in rows), "every height is known"


@pytest.mark.parametrize(
    ("library", "program"),
    [
        ("libjemalloc.so.2", "stubborn"),
        ("libtcmalloc_minimal.so.4", "stubborn"),
        ("libjemalloc.so.2", "extended"),
    ],
)
def test_agrees_on_other_allocators(tmp_path: Path, library: str, program: str) -> None:
    """Operators that throw, catch and succeed after all, in libraries of their own; mallocx."""
    traces = []
    for options in (PRELOAD, EBPF):
        recording = record(tmp_path / options[-1], WORKLOADS / program, options=options,
                           environ={"LD_PRELOAD": library})  # fmt: skip
        recording.assert_sound()
        traces.append(calls(recording.trace, program))
    assert len(traces[0][0]) >= 9
    assert traces[1] == traces[0]


@pytest.mark.parametrize("command", [("/bin/ls", "/"), ("edges",)],
                         ids=lambda command: Path(command[0]).name)  # fmt: skip
def test_whole_trace_agrees(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Also what a program's libraries call, in one order."""
    preload, ebpf = both(tmp_path, WORKLOADS / command[0], *command[1:])
    expected = [call(row) for row in preload.trace.calls]
    assert len(expected) > 20
    assert [call(row) for row in ebpf.trace.calls] == expected


@pytest.mark.parametrize("sites", ["context", "address"])
def test_threads_at_once_agree(tmp_path: Path, sites: str) -> None:
    """C and C++ by four threads: each thread's sequence is the same. Whether a realloc moves its
    block is the allocator's business, which depends on the other threads."""
    team = WORKLOADS / "team"
    sequences = []
    for backend in ("preload", "ebpf"):
        options = ("--quiet", "--backend", backend, "--sites", sites)
        recording = record(tmp_path / backend, team, options=options)
        recording.assert_sound()
        threads: dict[int, list[tuple[object, ...]]] = {}
        for row in recording.trace.calls_from("team"):
            row["flags"] = [flag for flag in row["flags"] if flag != "moved"]
            threads.setdefault(row["thread"], []).append(call(row)[1:])
        sequences.append(sorted(threads.values(), key=repr))
    preload, ebpf = sequences
    assert [len(calls) for calls in preload] == [TEAM_CALLS] * 4
    assert ebpf == preload


def test_program_agrees(tmp_path: Path) -> None:
    """The program is what was executed, here a link by a relative name."""
    (tmp_path / "ebpf").mkdir()
    (tmp_path / "ebpf" / "link").symlink_to(WORKLOADS / "hello")
    ebpf = record(tmp_path / "ebpf", "./link", options=EBPF)
    assert ebpf.trace.info["program"] == str(tmp_path / "ebpf" / "link")


def test_images_agree(tmp_path: Path) -> None:
    """exec: one trace an image, by the same names."""
    preload, ebpf = both(tmp_path, WORKLOADS / "execer")
    assert len(ebpf.traces) == len(preload.traces) == 3
    for one, other in zip(preload.traces, ebpf.traces, strict=True):
        assert one.image == other.image
        assert one.info["events"] == other.info["events"]
        assert calls(one, one.image) == calls(other, other.image)


def test_forks_agree(tmp_path: Path) -> None:
    """fork: the child's trace opens with what it inherited."""
    preload, ebpf = both(tmp_path, WORKLOADS / "forker")

    def summary(recording: Recording) -> list[tuple[list[int], list[object]]]:
        return sorted(
            (
                sorted(row["size"] for row in trace.rows if row["kind"] == "inherited"),
                [*calls(trace, "forker").values()],
            )
            for trace in recording.traces
        )

    assert summary(ebpf) == summary(preload)


def test_allocator_in_the_program(tmp_path: Path) -> None:
    """A dynamic program that was linked with an allocator of its own."""
    program = WORKLOADS.parent / "ebpf/hello-hakmem"
    recording = record(tmp_path, program, options=EBPF)
    assert (recording.done.returncode, recording.done.stdout) == (8, "hello\n")
    recording.assert_sound()
    rows = [(row["kind"], row["size"]) for row in recording.trace.calls_from(program.name)]
    assert rows == [("malloc", 81), ("free", None)]


def test_every_operator(tmp_path: Path) -> None:
    """C++: what an operator calls is part of it, and each is known by its own name."""
    recording = record(tmp_path, WORKLOADS / "operators", options=EBPF)
    recording.assert_sound()
    kinds = Counter(row["kind"] for row in recording.trace.calls_from("operators"))
    news = [kind for kind in kinds if kind.startswith("new")]
    deletes = [kind for kind in kinds if kind.startswith("delete")]
    assert len(news) == 8
    assert len(deletes) == 12


@pytest.mark.parametrize("library", ["libjemalloc.so.2", "libtcmalloc_minimal.so.4"])
def test_exceptions_pass(tmp_path: Path, library: str) -> None:
    """An allocator's own operator new throws: the program catches it, and the call has failed."""
    preload = f"LD_PRELOAD={library}"
    bare = run("/usr/bin/env", preload, WORKLOADS / "operators", env=clean_environ())
    assert (bare.returncode, bare.stdout.count("threw")) == (0, 4), bare.stderr
    command = ("/usr/bin/env", preload, WORKLOADS / "operators")
    recording = record(tmp_path, *command, options=EBPF)
    assert (recording.done.returncode, recording.done.stdout) == (0, bare.stdout)
    assert recording.done.stderr == ""
    recording.assert_sound()
    rows = recording.trace.calls_from("operators")
    failed = [row["kind"] for row in rows if "failed" in row["flags"]]
    throwing = ["new", "new[]", "new aligned", "new[] aligned"]
    assert failed == [*throwing, *(f"{kind} nothrow" for kind in throwing)]


def test_stacks_agree(tmp_path: Path) -> None:
    """Frequent sites: the same stacks, walked down to where the threads begin."""
    preload, ebpf = both(tmp_path, WORKLOADS / "storm", "2", "100000")
    expected, seen = stacks(preload.output), stacks(ebpf.output)
    shared = expected.keys() & seen.keys()
    assert len(shared) >= 3
    assert {key: seen[key] for key in shared} == {key: expected[key] for key in shared}
    assert all(len(seen[key]) >= 3 for key in shared)


def test_sites_by_address(tmp_path: Path) -> None:
    recording = record(tmp_path, WORKLOADS / "heights", options=(*EBPF, "--sites", "address"))
    assert {row["height"] for row in recording.trace.calls} <= {0, None}
    assert recording.trace.info["sites"] < 20


def test_library_mapped_after_the_first_thread(tmp_path: Path) -> None:
    """It has ended, and its memory is not to be seen under its number any more."""
    library = WORKLOADS / "libbump.so"
    recording = record(tmp_path, WORKLOADS / "leave", library, "1000", options=EBPF)
    assert recording.done.returncode == 0
    recording.assert_sound()
    assert len(recording.trace.calls_from("leave")) == 1000


# ---- children ----


def test_children_are_followed(tmp_path: Path) -> None:
    recording = record(tmp_path, "/bin/sh", "-c", f"{WORKLOADS}/hello; {WORKLOADS}/hello-static; :",
                       options=EBPF)  # fmt: skip
    recording.assert_sound()
    assert sorted(trace.image for trace in recording.traces) == ["hello", "hello-static", "sh"]


def test_children_left_alone(tmp_path: Path) -> None:
    options = (*EBPF, "--no-follow")
    recording = record(tmp_path, "/bin/sh", "-c", f"{WORKLOADS}/hello; :", options=options)
    recording.assert_sound()
    assert [trace.image for trace in recording.traces] == ["sh"]


# ---- nothing lost, or counted ----


def child_stats(parent: int) -> list[list[str]]:
    """What /proc tells of a process's children, behind their names."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in children]
    return [stat.rpartition(")")[2].split() for stat in stats]


def works(parent: int) -> bool:
    """Whether a child of a process has used some processor time: it makes calls."""
    return any(int(stat[11]) + int(stat[12]) >= 3 for stat in child_stats(parent))


def has_worked(parent: int) -> bool:
    """Whether a child of a process has used more than the time in which it fills a small ring."""
    return has_ended(parent) or any(
        int(stat[11]) + int(stat[12]) >= 20 for stat in child_stats(parent)
    )


def sleeps(parent: int) -> bool:
    """Whether a child of a process is in clock_nanosleep(), which hakrec never is."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return any(Path(f"/proc/{pid}/syscall").read_text().startswith("230 ") for pid in children)


def reads(parent: int) -> bool:
    """Whether a child of a process reads from its standard input."""
    calls = [Path(f"/proc/{pid}/syscall").read_text() for pid in children(parent)]
    return any(call.startswith("0 0x0 ") for call in calls)


def has_ended(parent: int) -> bool:
    """Whether a child of a process has ended, of which the parent has not been told."""
    return any(stat[0] == "Z" for stat in child_stats(parent))


def is_renewed(parent: int) -> bool:
    """Whether a child of a process has been executed again."""
    return any(b"again" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(parent))


def has_threads_below(parent: int) -> bool:
    """Whether a child of a child of a process has more than one thread."""
    below = [Path(f"/proc/{pid}/task") for child in children(parent) for pid in children(child)]
    try:
        return any(len(list(threads.iterdir())) > 1 for threads in below)
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return False


def recorded_absently(
    folder: Path,
    *program: str | Path,
    options: Sequence[str] = (),
    until: Callable[[int], bool] | None = None,
    begun: Callable[[int], bool] = works,
) -> Recording:
    """Records a program with a small ring, while hakrec stands still for a moment, or until
    something can be said of it as a parent."""
    output = folder / "trace.zst"
    ebpf = [HAKREC, *EBPF, "--ring-size", "1M", *options, "-o", output]
    command = [str(word) for word in [*ebpf, *program]]
    process = subprocess.Popen(
        command, env=clean_environ(), cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: begun(process.pid), "the program works", seconds=20)
    os.kill(process.pid, signal.SIGSTOP)
    if until:
        wait_for(lambda: until(process.pid), until.__name__, seconds=60)
    else:
        time.sleep(0.3)
    os.kill(process.pid, signal.SIGCONT)
    stdout, stderr = process.communicate(timeout=120)
    done = subprocess.CompletedProcess(command, process.returncode, stdout, stderr)
    assert done.returncode == 0, stderr
    return Recording(folder, done, output)


def assert_drops_counted(recording: Recording, made: int) -> None:
    """Calls were dropped, and each is counted and has a place in the trace."""
    facts = recording.trace.info
    assert facts["lost_events"] > 0
    assert facts["events"] + facts["lost_events"] == made
    verified = run(HAKREC.parent / "haktrace", "verify", recording.output)
    assert verified.returncode == 0, verified.stderr
    dump = run(HAKREC.parent / "haktrace", "dump", recording.output)
    places = [line for line in dump.stdout.splitlines() if "\tlost(" in line]
    assert sum(int(line.split("lost(")[1].split(")")[0]) for line in places) == facts["lost_events"]


def test_every_drop_is_counted(tmp_path: Path) -> None:
    prime = (WORKLOADS / "prime", str(PRIME_CALLS))
    recording = recorded_absently(tmp_path, *prime, until=has_worked)
    assert_drops_counted(recording, PRIME_ALL)


@pytest.mark.parametrize("to_its_end", [False, True])
def test_drops_of_untold_threads(tmp_path: Path, to_its_end: bool) -> None:
    """More threads begin and end than there is room to tell of."""
    churn = (WORKLOADS / "churn", "20000", "1")
    made = record(tmp_path / "whole", *churn, options=EBPF).trace.info["events"]
    recording = recorded_absently(tmp_path, *churn, until=has_ended if to_its_end else has_worked)
    if to_its_end:
        assert recording.trace.info["threads"] < 10000
    assert_drops_counted(recording, made)


def test_drops_of_untold_processes(tmp_path: Path) -> None:
    """More processes begin and end than there is room to tell of, and children of such ones."""
    children, calls = 2000, 200
    recording = recorded_absently(
        tmp_path, WORKLOADS / "brood", str(children), str(calls),
        until=has_ended, begun=sleeps,
    )  # fmt: skip
    facts = [trace.info for trace in recording.traces]
    assert len(facts) < 2 * children
    words = re.fullmatch(
        r"hakrec: (\d+) more calls were lost, of processes .*\n", recording.done.stderr
    )
    assert words
    counted = sum(fact["events"] + fact["lost_events"] for fact in facts)
    assert counted + int(words[1]) == 2 * children * calls


@pytest.mark.parametrize("children", [0, 10000])
def test_drops_of_a_thread_that_executes(tmp_path: Path, children: int) -> None:
    """It gets another number: what it dropped is counted once, in the trace of its old image. With
    so many children before there is no room to tell of the new one, until there is."""
    whole = record(tmp_path / "whole", WORKLOADS / "crowd", "0", "100000", "exec", options=EBPF)
    new, old = [trace.info["events"] for trace in whole.traces]
    recording = recorded_absently(
        tmp_path, WORKLOADS / "crowd", str(children), "100000", "exec",
        until=is_renewed, begun=sleeps,
    )  # fmt: skip
    assert recording.done.stderr == ""
    facts = [trace.info for trace in recording.traces]
    assert facts[1]["lost_events"] > 0
    assert [fact["events"] + fact["lost_events"] for fact in facts] == [new, old]


def test_thread_of_an_untold_process(tmp_path: Path) -> None:
    """There was no room to tell of the process; there is when its second thread makes calls."""
    calls = 1000
    recording = recorded_absently(
        tmp_path, WORKLOADS / "crowd", "10000", str(calls), "fork",
        until=has_threads_below, begun=sleeps,
    )  # fmt: skip
    assert recording.done.stderr == ""
    facts = [trace.info for trace in recording.traces]
    assert [fact["events"] for fact in facts[1:]] == [calls]
    assert facts[1]["lost_events"] < calls


def test_child_in_a_dead_parents_memory(tmp_path: Path) -> None:
    """Its calls were its parent's as long as that lived: now there is no trace for them."""
    script = f"{WORKLOADS}/widow 20000; sleep 1; exit 5"
    recording = record(tmp_path, "/bin/sh", "-c", script, options=EBPF)
    assert (recording.done.returncode, recording.done.stdout) == (5, "calls 20000\n")
    assert re.sub("^Killed\n", "", recording.done.stderr) == (
        "hakrec: 20000 more calls were lost, of processes that have no trace\n"
    )


def limited_hakrec(folder: Path, descriptors: int) -> Path:
    """hakrec with so many descriptors."""
    path = folder / f"hakrec-{descriptors}"
    path.write_text(f'#!/bin/sh\nulimit -n {descriptors}\nexec {HAKREC} "$@"\n')
    path.chmod(0o755)
    return path


def test_few_descriptors(tmp_path: Path) -> None:
    """With as few as there may be all is recorded, or hakrec says why it is not."""
    whole = record(tmp_path / "whole", WORKLOADS / "operators", options=EBPF)
    said = set()
    for descriptors in range(24, 44):
        recording = record(tmp_path / str(descriptors), WORKLOADS / "operators", options=EBPF,
                           hakrec=limited_hakrec(tmp_path, descriptors))  # fmt: skip
        if recording.done.returncode == whole.done.returncode:
            assert recording.done.stderr == ""
            assert recording.trace.info["events"] == whole.trace.info["events"]
        else:
            assert recording.done.returncode == 1
            said |= set(recording.done.stderr.splitlines())
    assert recording.done.returncode == whole.done.returncode
    assert all(line.endswith(": Too many open files") for line in said), said
    assert any("code could not be looked at" in line for line in said)


def fill_followed() -> None:
    """Fills the newest table of processes that are followed with numbers that no process has."""
    maps = json.loads(run(BPFTOOL, "-j", "map", "list").stdout)
    number = max(entry["id"] for entry in maps if entry.get("name") == "followed")
    keys = (key.to_bytes(4, "little").hex(" ") for key in range(2**30, 2**30 + 16384))
    lines = "".join(f"map update id {number} key hex {key} value 0 0 0 0\n" for key in keys)
    run(BPFTOOL, "batch", "file", "-", input=lines)


def test_too_many_processes(tmp_path: Path) -> None:
    """A child that cannot be followed any more: that is said, and disturbs nobody."""
    script = f"read line; {WORKLOADS}/hello; exit 7"
    process = subprocess.Popen(
        [HAKREC, *EBPF, "-o", "trace.zst", "/bin/sh", "-c", script], cwd=tmp_path, text=True,
        env=clean_environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for(lambda: reads(process.pid), "the program reads")
    fill_followed()
    stdout, stderr = process.communicate("line\n", timeout=60)
    assert (process.returncode, stdout) == (1, "hello\n")
    assert stderr == (
        "hakrec: processes that could not be followed and were not recorded, nor their children: "
        "1; the most at once are 16384\n"
    )
    assert [trace.name for trace in tmp_path.glob("*.zst")] == ["trace.zst"]


def test_lossless(tmp_path: Path) -> None:
    """The program is stopped instead, and goes on."""
    prime = (WORKLOADS / "prime", str(PRIME_CALLS))
    recording = recorded_absently(tmp_path, *prime, options=["--lossless"])
    recording.assert_sound()
    assert recording.trace.info["events"] == PRIME_ALL


# ---- wrong usage ----


@pytest.mark.parametrize(("arguments", "reason"), [
    (("-p", "1", "/bin/true"), "not both"),
    (("--duration", "1", "/bin/true"), "--pid"),
    (("--backend", "preload", "-p", "1"), "preloaded"),
    (("--ring-size", "3M", "/bin/true"), "power of two"),
    (("--lossy", "--lossless", "/bin/true"), "not both"),
    (("-p", "zero"), "number"),
])  # fmt: skip
def test_wrong_usage(tmp_path: Path, arguments: Sequence[str], reason: str) -> None:
    done = run(HAKREC, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr
    assert not list(tmp_path.iterdir())
