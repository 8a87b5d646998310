"""A long synthetic trace is written, verified and read whole, in memory that does not grow with it.

HAK_SCALE million events: 1 in `make test`, 100 in `make soak-trace`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import BUILD, ROOT, measured

EVENTS = 1_000_000 * int(os.environ.get("HAK_SCALE", "1"))
HAKTRACE = BUILD / "haktrace"
GENERATE = BUILD / "tests" / "traces" / "generate"

READ_IN_CHUNKS = """
import sys, json, haktrace
with haktrace.read_trace(sys.argv[1]) as trace:
    sizes = [(len(b), int((b["object"] >= 0).sum())) for b in trace.iter_events()]
print(json.dumps({"events": sum(n for n, _ in sizes), "objects": sum(o for _, o in sizes)}))
"""


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("large") / "large.zst"
    _, memory = measured(GENERATE, "--events", str(EVENTS), "--threads", "8", path)
    assert memory < 100e6
    yield path
    path.unlink()


def test_verify(trace: Path) -> None:
    _, memory = measured(HAKTRACE, "verify", trace)
    assert memory < 100e6


def test_zstd_accepts_it(trace: Path) -> None:
    measured("zstd", "-q", "-t", trace)


def test_info(trace: Path) -> None:
    text, memory = measured(HAKTRACE, "info", "--json", trace)
    figures = json.loads(text)
    assert memory < 100e6
    assert figures["events"] == EVENTS
    assert figures["complete"] is True
    assert figures["allocs"] + figures["frees"] + figures["reallocs"] == EVENTS
    failed = figures["failed_allocs"]
    assert figures["objects"] == figures["allocs"] - failed + figures["reallocs"] + 100
    alive = figures["objects"] - figures["frees"] - figures["reallocs"]
    assert figures["leaked_objects"] == alive
    assert figures["foreign_frees"] == figures["lost_events"] == 0
    assert 18000 < figures["peak_live_objects"] < 22000


def test_dump(trace: Path) -> None:
    dump = subprocess.Popen([HAKTRACE, "dump", trace], stdout=subprocess.PIPE)
    count = subprocess.run(["wc", "-l"], stdin=dump.stdout, capture_output=True, check=True)
    assert dump.wait() == 0
    rows = int(count.stdout)
    assert EVENTS + 100 < rows < EVENTS + 1000  # inherited objects, marks, threads


@pytest.mark.parametrize("kind", ["android", "collapsed", "heaptrack", "perfetto", "pprof"])
def test_export(kind: str, trace: Path) -> None:
    _, memory = measured(HAKTRACE, "export", "--to", kind, trace, "-o", "/dev/null")
    assert memory < 100e6


def test_import(trace: Path) -> None:
    """Logs of that length."""
    texts = {
        "android": "1: malloc 0x10 8\n1: free 0x10\n",
        "mtrace": "+ 0x10 0x8\n- 0x10\n",
    }
    for name, text in texts.items():
        log = trace.with_name(name)
        with log.open("w") as out:
            for _ in range(EVENTS // 1000):
                out.write(text * 500)
        _, memory = measured(HAKTRACE, "import", "--from", name, log, "-o", "/dev/null")
        assert memory < 100e6
        log.unlink()


def test_python_reads_it_in_chunks(trace: Path) -> None:
    env_python = ROOT / ".venv" / "bin" / "python"
    python = env_python if env_python.exists() else Path(sys.executable)
    text, memory = measured(python, "-c", READ_IN_CHUNKS, trace)
    figures = json.loads(measured(HAKTRACE, "info", "--json", trace)[0])
    assert json.loads(text) == {
        "events": EVENTS + 100,
        "objects": figures["objects"],
    }
    assert memory < 800e6
