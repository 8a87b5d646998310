"""The file that is written: replaced, impossible, full."""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import info, run
from program import clean_environ
from recording import HAKREC, HAKTRACE, WORKLOADS, Trace, record

STORM = ("4", "200000")
STORM_CALLS = 2 * 800064 + 25000
STORM_OUTPUT = f"mallocs 800064 reallocs 25000 frees 800064 calls {STORM_CALLS}\n"


def assert_cut_cleanly(trace: Path) -> None:
    """Up to its end the file is a good trace, only not whole."""
    verified = run(HAKTRACE, "verify", trace)
    assert verified.returncode == 1
    assert trace.name in verified.stderr
    told = run(HAKTRACE, "info", "--json", trace)
    assert told.returncode == 0
    assert not Trace(trace).info["complete"]
    assert run("zstd", "-q", "-t", trace).returncode == 0


def test_existing_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "trace.zst").write_bytes(b"something else, and longer than a trace" * 100_000)
    recording = record(tmp_path, WORKLOADS / "hello")
    recording.assert_sound()
    assert recording.output.stat().st_size < 100_000


def test_file_that_is_being_written(tmp_path: Path) -> None:
    """A second recorder does not spoil the first one's trace, nor run its program."""
    output, marker = tmp_path / "trace.zst", tmp_path / "marker"
    with subprocess.Popen(
        [HAKREC, "--quiet", "-o", output, "/bin/cat"],
        env=clean_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdin
        assert first.stdout
        first.stdin.write("begun\n")
        first.stdin.flush()
        assert first.stdout.readline() == "begun\n"
        second = run(HAKREC, "-o", output, "/bin/touch", marker, env=clean_environ())
        first.stdin.close()
    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == f"hakrec: {output}: another program is writing it\n"
    assert not marker.exists()
    trace = Trace(output)
    trace.assert_sound()
    assert trace.info["command"] == "/bin/cat"


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    output = tmp_path / "nowhere" / "trace.zst"
    marker = tmp_path / "marker"
    done = run(HAKREC, "-o", output, WORKLOADS / "descriptors", marker, env=clean_environ())
    assert done.returncode == 1
    assert done.stdout == ""
    assert str(output) in done.stderr
    assert "No such file" in done.stderr
    assert not marker.exists(), "the program must not run unrecorded"


def test_folder_that_is_moved_away(tmp_path: Path) -> None:
    """A child's trace cannot be made: recording ends, the program and its first trace do not."""
    folder, moved = tmp_path / "first", tmp_path / "moved"
    folder.mkdir()
    script = f"mv '{folder}' '{moved}'; '{WORKLOADS}/hello'; echo end"
    output = folder / "trace.zst"
    done = run(HAKREC, "-q", "-o", output, "/bin/sh", "-c", script, env=clean_environ())
    assert (done.returncode, done.stdout) == (1, "hello\nend\n")
    child = rf"hakrec: {folder}/(mv|hello)\.\d+\.zst: cannot open: No such file or directory\n"
    assert re.fullmatch(child, done.stderr)
    trace = Trace(moved / "trace.zst")
    trace.assert_sound()
    assert trace.info["end"] == "failure"


def test_folder_as_output(tmp_path: Path) -> None:
    done = run(HAKREC, "-o", tmp_path, WORKLOADS / "hello", env=clean_environ())
    assert done.returncode == 1
    assert "directory" in done.stderr
    assert done.stdout == ""


def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory of its own, while it is wanted."""
    folder.mkdir()
    if run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder).returncode:
        pytest.skip("may not mount a file system")
    yield folder
    run("umount", folder)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which not even root may make a file."""
    yield from mounted(tmp_path / "fixed", "ro")


def assert_never_run(output: Path, marker: Path, reason: str, *wrapper: str) -> None:
    """One sentence that names the file and the reason; the program does not run unrecorded."""
    done = run(*wrapper, HAKREC, "-o", output, "/bin/touch", marker, env=clean_environ())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"hakrec: {output}: cannot open: {reason}\n"
    assert not marker.exists()


def test_read_only_folder(read_only_folder: Path, tmp_path: Path) -> None:
    output = read_only_folder / "trace.zst"
    assert_never_run(output, tmp_path / "marker", "Read-only file system")
    assert not list(read_only_folder.iterdir())


def test_read_only_file(tmp_path: Path) -> None:
    """Stays as it is. Root may write it: so not as root, or without that right."""
    output = tmp_path / "trace.zst"
    output.write_bytes(b"kept")
    output.chmod(0o444)
    wrapper = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    assert_never_run(output, tmp_path / "marker", "Permission denied", *wrapper)
    assert output.read_bytes() == b"kept"


@pytest.fixture
def full_device(tmp_path: Path) -> Path:
    """A device like /dev/full that may be lost."""
    device = tmp_path / "full.zst"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 7))
        device.write_bytes(b"x")
    except PermissionError:
        pytest.skip("may not make a device")
    except OSError:
        return device
    return pytest.skip("the file system has no devices")


def test_full_device(full_device: Path) -> None:
    done = run(HAKREC, "-o", full_device, WORKLOADS / "hello", env=clean_environ())
    assert done.stdout == "hello\n"
    assert done.returncode not in (0, 8)
    assert "No space left" in done.stderr
    assert full_device.is_char_device()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    yield from mounted(tmp_path / "disk", "size=256k")


def test_disk_full(small_disk: Path) -> None:
    recording = record(small_disk, WORKLOADS / "storm", *STORM, options=())
    assert recording.done.stdout == STORM_OUTPUT
    assert recording.done.returncode not in (0, 8)
    assert "No space left" in recording.done.stderr
    assert_cut_cleanly(recording.output)


def test_file_size_limit(tmp_path: Path) -> None:
    limit = 300_000
    recording = record(
        tmp_path,
        WORKLOADS / "storm",
        *STORM,
        options=(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert recording.done.stdout == STORM_OUTPUT
    assert recording.done.returncode not in (0, 8)
    assert "too large" in recording.done.stderr
    assert_cut_cleanly(recording.output)


@pytest.mark.parametrize("limit", [2_000, 100_000, 1_000_000])
def test_max_size(tmp_path: Path, limit: int) -> None:
    """The trace ends whole with the last block that fits, and says why; the program goes on."""
    options = ("--json", "--max-size", str(limit))
    recording = record(tmp_path, WORKLOADS / "storm", *STORM, options=options)
    assert (recording.done.returncode, recording.done.stdout) == (0, STORM_OUTPUT)
    said = json.loads(recording.done.stderr)
    trace = recording.trace
    trace.assert_sound()
    size = recording.output.stat().st_size
    assert said["file_bytes"] == size <= limit
    assert said["events"] == trace.info["events"] < STORM_CALLS
    assert said["peak_live_bytes"] is None
    assert trace.info["end"] == "max-size"
    # A block of this program takes less than 64 KiB.
    assert size > limit - 65536


def test_max_size_of_a_child(tmp_path: Path) -> None:
    """One trace at its greatest size ends all; each of them is whole."""
    script = f"'{WORKLOADS}/storm' 4 200000; :"
    options = ("--quiet", "--max-size", "100K")
    recording = record(tmp_path, "/bin/sh", "-c", script, options=options)
    assert (recording.done.returncode, recording.done.stdout) == (0, STORM_OUTPUT)
    assert len(recording.traces) == 2
    recording.assert_sound()
    for trace in recording.traces:
        assert trace.path.stat().st_size <= 102400
        assert trace.info["end"] == "max-size"


def test_to_a_pipe(tmp_path: Path) -> None:
    """A trace can be written to what cannot seek."""
    pipe, copy = tmp_path / "pipe.zst", tmp_path / "copy.zst"
    os.mkfifo(pipe)
    recorder = f"'{HAKREC}' --quiet -o '{pipe}' '{WORKLOADS}/hello'"
    script = f"cat '{pipe}' >'{copy}' & {recorder}; status=$?; wait; exit $status"
    done = run("/bin/sh", "-c", script, env=clean_environ(), timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (8, "hello\n", "")
    Trace(copy).assert_sound()


def test_command_is_quoted_for_a_shell(tmp_path: Path) -> None:
    words = ["a b", "it's", "$x", "", "plain"]
    trace = tmp_path / "t.zst"
    run(HAKREC, "-q", "-o", trace, "/bin/ls", "-d", "--", *words)
    assert shlex.split(info(trace)["command"]) == ["/bin/ls", "-d", "--", *words]
