"""hakmem for arm64: cross-compiled, and run by qemu's user mode."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD, ROOT, run

COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64"
LIBRARIES = Path("/usr/aarch64-linux-gnu")
HELPERS = ("stress", "threads", "forks", "misuse", "pages")

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which(COMPILER) and shutil.which(EMULATOR) and LIBRARIES.exists()),
        reason="needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user",
    ),
    pytest.mark.skipif("/config/" in str(BUILD), reason="built once, in the standard build"),
]


@pytest.fixture(scope="module", name="built")
def fixture_built() -> Path:
    """The folder of the arm64 build: the library and the helpers."""
    folder = Path("build") / "config" / COMPILER
    helpers = [str(folder / "tests" / "allocator" / name) for name in HELPERS]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = run("make", f"CC={COMPILER}", "shared", *helpers, cwd=ROOT, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / folder


def emulated(built: Path, *command: str, page: int = 4096) -> subprocess.CompletedProcess[str]:
    """Runs a helper on the arm64 libhakmem.so, with pages of so many bytes."""
    preload = f"LD_PRELOAD={built / 'libhakmem.so'}"
    program = built / "tests" / "allocator" / command[0]
    options = ["-p", str(page), "-L", LIBRARIES, "-E", preload]
    return run(EMULATOR, *options, program, *command[1:], timeout=120)


def test_is_for_arm64(built: Path) -> None:
    assert "AArch64" in run("readelf", "-h", built / "libhakmem.so").stdout


@pytest.mark.parametrize("mode", ["destructors", "many", "signal"])
def test_threads_live_and_die(built: Path, mode: str) -> None:
    done = emulated(built, "threads", mode)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("page", [4096, 65536])
def test_pages_of_any_size(built: Path, page: int) -> None:
    done = emulated(built, "pages", page=page)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_forks(built: Path) -> None:
    done = emulated(built, "forks", "growing")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


@pytest.mark.parametrize("case", ["double-tiny", "double-mid", "double-whale", "stack"])
def test_misuse_ends_with_one_clear_line(built: Path, case: str) -> None:
    done = emulated(built, "misuse", case)
    assert done.stdout == ""
    assert re.match(r"hakmem: (double|foreign|free of).* 0x[0-9a-f]{16}\n", done.stderr)


@pytest.mark.parametrize("page", [4096, 65536])
def test_stress(built: Path, page: int) -> None:
    done = emulated(built, "stress", "--lives", "12", "--seed", "3", page=page)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok: " in done.stdout
