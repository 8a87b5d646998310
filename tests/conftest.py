"""Fixtures that all integration tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import BUILD, ROOT, info, run
from recording import HAKREC, RealRecordings
from terminal import Terminal

__all__ = ["BUILD", "ROOT", "info", "run"]

# A shell's background jobs ignore SIGINT, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def build() -> Path:
    """The directory of the built programs and libraries."""
    return BUILD


@pytest.fixture(scope="session")
def shared_traces() -> Path:
    """The folder of traces from elsewhere; skips without HAK_TRACES."""
    folder = os.environ.get("HAK_TRACES")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HAK_TRACES does not name a folder of traces")
    return Path(folder)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A shell on a terminal of its own, in the test's folder."""
    with Terminal(tmp_path) as shell:
        yield shell


@pytest.fixture(scope="session")
def real_recordings(tmp_path_factory: pytest.TempPathFactory) -> RealRecordings:
    """Records real programs, each once for all tests."""
    return RealRecordings(tmp_path_factory.mktemp("real"))


def cannot_use_ebpf() -> str | None:
    """Why eBPF cannot be used here."""
    if os.geteuid() != 0:
        return "eBPF needs root"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "the kernel has no type information"
    done = run(HAKREC, "--quiet", "--backend", "ebpf", "-o", "/dev/null", "/bin/true")
    refused = "the kernel refuses" in done.stderr
    return f"eBPF does not work here: {done.stderr}" if refused else None


@pytest.fixture(scope="session")
def ebpf() -> None:
    """Skips where eBPF cannot be used."""
    reason = cannot_use_ebpf()
    if reason:
        pytest.skip(reason)
