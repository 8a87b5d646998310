"""Attaching to running processes by eBPF: what is recorded, how it ends, and that nothing stays."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import run
from program import clean_environ
from recording import HAKREC, SCALE, WORKLOADS, Trace, record, stacks, wait_for

pytestmark = pytest.mark.usefixtures("ebpf")

PRELOAD = ("--quiet", "--backend", "preload")


@pytest.fixture
def progress(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Four threads that allocate until they are killed."""
    process = subprocess.Popen([WORKLOADS / "progress", tmp_path / "counts"], env=clean_environ())
    wait_for(lambda: returned(tmp_path) > 1000, "it works", seconds=20)
    yield process
    process.kill()
    process.wait()


def returned_by_thread(folder: Path) -> list[int]:
    """Calls of the progress program that returned, thread by thread."""
    path = folder / "counts"
    data = path.read_bytes()[:32] if path.exists() else b""
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def returned(folder: Path) -> int:
    """Calls of the progress program that returned."""
    return sum(returned_by_thread(folder))


def attach(pid: int, output: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run(HAKREC, "--quiet", "-p", str(pid), "-o", output, *options, timeout=60)


def follows(hakrec: int) -> bool:
    """Whether hakrec is attached: then it has a thread that follows."""
    for path in Path(f"/proc/{hakrec}/task").glob("*/comm"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if path.read_text() == "hakrec-follow\n":
                return True
    return False


def code_in_memory(pid: int) -> bool:
    """Whether the C library's code in a process is that of its file: no breakpoint is left.

    Those of another recording on the machine are in every process while it lasts.
    """
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, rights, offset, _, _, *path = line.split()
        if "x" not in rights or not path or "/libc.so" not in path[0]:
            continue
        begin, end = (int(word, 16) for word in span.split("-"))
        with Path(path[0]).open("rb") as file, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
            file.seek(int(offset, 16))
            memory.seek(begin)
            code = file.read(end - begin)
            return memory.read(len(code)) == code
    raise AssertionError("no C library")


def test_attach(tmp_path: Path, progress: subprocess.Popen[bytes]) -> None:
    """Threads that run already: all found, at the heights that a recording from the start sees."""
    output = tmp_path / "attached.zst"
    hakrec = subprocess.Popen([HAKREC, "--quiet", "-p", str(progress.pid), "-o", output])
    wait_for(lambda: follows(hakrec.pid), "it is attached", seconds=60)
    enough = [calls + 1000 for calls in returned_by_thread(tmp_path)]
    wait_for(
        lambda: all(map(int.__ge__, returned_by_thread(tmp_path), enough)),
        "all threads work", seconds=60,
    )  # fmt: skip
    hakrec.send_signal(signal.SIGINT)
    assert hakrec.wait(timeout=60) == 0
    trace = Trace(output)
    verified = run(HAKREC.parent / "haktrace", "verify", output)
    assert verified.returncode == 0, verified.stderr
    facts = trace.info
    assert facts["complete"]
    assert facts["threads"] == 4
    assert all(len(frames) >= 3 for frames in stacks(output).values())
    assert stacks(output)
    assert facts["events"] > 1000
    assert facts["lost_events"] == 0
    # Each thread keeps a known number of blocks: those from before are foreign when freed.
    assert 0 < facts["foreign_frees"] <= 4 * 33
    seen = {(row["kind"], row["offset"], row["height"]) for row in trace.calls_from("progress")}
    whole = record(tmp_path / "whole", WORKLOADS / "progress", tmp_path / "other", "3000",
                   options=PRELOAD)  # fmt: skip
    known = {(row["kind"], row["offset"], row["height"])
             for row in whole.trace.calls_from("progress")}  # fmt: skip
    assert seen == known

    # Nothing is left behind, and the program goes on.
    wait_for(lambda: code_in_memory(progress.pid), "every breakpoint to be gone")
    before = returned(tmp_path)
    wait_for(lambda: returned(tmp_path) > before, "it goes on", seconds=10)


def kernel_objects() -> set[tuple[str, int]]:
    """Programs, links and maps of eBPF in the kernel."""
    found = set()
    for kind in ("prog", "link", "map"):
        done = run(shutil.which("bpftool", path="/usr/sbin:/usr/bin"), "-j", kind, "list")
        assert done.returncode == 0, done.stderr
        found |= {(kind, row["id"]) for row in json.loads(done.stdout)}
    return found


def test_nothing_is_left_in_the_kernel(tmp_path: Path, progress: subprocess.Popen[bytes]) -> None:
    output = tmp_path / "attached.zst"
    before = kernel_objects()
    hakrec = subprocess.Popen([HAKREC, "--quiet", "-p", str(progress.pid), "-o", output])
    wait_for(lambda: follows(hakrec.pid), "it is attached", seconds=20)
    loaded = kernel_objects() - before
    assert {kind for kind, _ in loaded} == {"prog", "link", "map"}
    hakrec.send_signal(signal.SIGINT)
    assert hakrec.wait(timeout=20) == 0
    # The kernel takes programs and maps away a moment after their last user is gone.
    wait_for(lambda: not kernel_objects() & loaded, "all is gone", seconds=30)


def test_attached_process_ends(tmp_path: Path, progress: subprocess.Popen[bytes]) -> None:
    output = tmp_path / "attached.zst"
    hakrec = subprocess.Popen([HAKREC, "--quiet", "-p", str(progress.pid), "-o", output])
    wait_for(lambda: follows(hakrec.pid), "it is attached", seconds=20)
    progress.kill()
    assert hakrec.wait(timeout=20) == 0
    assert Trace(output).info["complete"]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_attachment_is_ended(
    tmp_path: Path, progress: subprocess.Popen[bytes], end: signal.Signals
) -> None:
    output = tmp_path / "attached.zst"
    hakrec = subprocess.Popen([HAKREC, "--quiet", "-p", str(progress.pid), "-o", output])
    wait_for(lambda: follows(hakrec.pid), "it is attached", seconds=20)
    hakrec.send_signal(end)
    assert hakrec.wait(timeout=20) == 0
    assert Trace(output).info["complete"]
    assert progress.poll() is None
    wait_for(lambda: code_in_memory(progress.pid), "every breakpoint to be gone")


def test_hakrec_is_killed(tmp_path: Path, progress: subprocess.Popen[bytes]) -> None:
    """While it holds the program stopped: the program goes on all the same."""
    output = tmp_path / "attached.zst"
    lossless = ["--lossless", "--ring-size", "1M"]
    hakrec = subprocess.Popen([HAKREC, "--quiet", *lossless, "-p", str(progress.pid), "-o", output])
    wait_for(lambda: follows(hakrec.pid), "it is attached", seconds=20)
    hakrec.send_signal(signal.SIGSTOP)
    stat = Path(f"/proc/{progress.pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it stops", seconds=20)
    hakrec.kill()
    hakrec.wait()
    before = returned(tmp_path)
    wait_for(lambda: returned(tmp_path) > before + 1000, "it goes on", seconds=20)
    wait_for(lambda: code_in_memory(progress.pid), "every breakpoint to be gone")


def test_redis_under_load(tmp_path: Path) -> None:
    """A server linked to jemalloc, attached to while it serves."""
    if not shutil.which("redis-server") or not shutil.which("redis-benchmark"):
        pytest.skip("no redis")
    socket = tmp_path / "redis.sock"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(socket.exists, "the server listens", seconds=20)
        load = subprocess.Popen(
            ["redis-benchmark", "-s", socket, "-t", "set,get,lpush", "-n", "10000000",
             "-r", "10000", "-d", "200", "-q"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        output = tmp_path / "redis.zst"
        time.sleep(0.3)
        done = attach(server.pid, output, "--duration", str(SCALE))
        load.kill()
        load.wait()
        assert (done.returncode, done.stderr) == (0, "")
        verified = run(HAKREC.parent / "haktrace", "verify", output)
        assert verified.returncode == 0, verified.stderr
        facts = Trace(output).info
        assert facts["complete"]
        assert facts["events"] > 1000
        assert facts["lost_events"] == 0
        assert facts["sites"] > 3
        assert facts["foreign_frees"] > 0
        replay = run(HAKREC.parent / "hakreplay", output, "--alloc", "glibc,hakmem",
                     "--repeat", "1", "--json", tmp_path / "results.jsonl")  # fmt: skip
        assert replay.returncode == 0, replay.stderr
        results = [json.loads(line) for line in (tmp_path / "results.jsonl").open()]
        assert len(results) == 2
        assert results[0]["digest"] == results[1]["digest"]
        assert {result["ops"] for result in results} == {facts["events"] - facts["foreign_frees"]}
        assert run("redis-cli", "-s", socket, "ping").stdout == "PONG\n"
    finally:
        server.terminate()
        server.wait()


def test_no_such_process(tmp_path: Path) -> None:
    done = attach(2**22 + 5, tmp_path / "none.zst")
    assert done.returncode == 1
    assert done.stderr == f"hakrec: process {2**22 + 5}: there is no such process\n"
    assert not list(tmp_path.iterdir())


def test_first_thread_has_ended(tmp_path: Path) -> None:
    """A process lives as long as one of its threads does."""
    leave = [str(WORKLOADS / "progress"), str(tmp_path / "counts"), str(2**63), "leave"]
    process = subprocess.Popen(leave, env=clean_environ())
    try:
        stat = Path(f"/proc/{process.pid}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "it ends")
        wait_for(lambda: returned(tmp_path) > 1000, "the others work")
        output = tmp_path / "attached.zst"
        done = attach(process.pid, output, "--duration", "1")
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        process.kill()
        process.wait()
    trace = Trace(output)
    facts = trace.info
    assert facts["program"] == leave[0]
    assert facts["command"] == " ".join(leave)
    assert facts["threads"] == 4
    assert facts["lost_events"] == 0
    assert facts["events"] > 1000
    rows = trace.calls_from("progress")
    assert len(rows) == facts["events"]
    assert all(row["height"] for row in rows)


def test_thread_is_no_process(tmp_path: Path, progress: subprocess.Popen[bytes]) -> None:
    """Its number is refused: nothing would be recorded under it."""
    thread = max(int(path.name) for path in Path(f"/proc/{progress.pid}/task").iterdir())
    output = tmp_path / "thread.zst"
    done = attach(thread, output)
    assert done.returncode == 1
    assert done.stderr == f"hakrec: process {thread}: it is a thread of process {progress.pid}\n"
    assert not output.exists()


def test_process_without_a_program(tmp_path: Path) -> None:
    """One that has ended, and whose parent has not asked how."""
    ended = subprocess.Popen(["true"])
    stat = Path(f"/proc/{ended.pid}/stat")
    wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "it ends")
    done = attach(ended.pid, tmp_path / "none.zst")
    ended.wait()
    assert done.returncode == 1
    assert done.stderr == f"hakrec: process {ended.pid}: it runs no program\n"
    assert not list(tmp_path.iterdir())
