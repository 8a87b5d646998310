"""The analyses of a long synthetic trace, in chunks: right, in memory that does not grow with it.

HAK_SCALE million events: 1 in `make test`, 100 in `make soak-analysis`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import BUILD, info

EVENTS = 1_000_000 * int(os.environ.get("HAK_SCALE", "1"))
MEMORY_BYTES = 900_000_000

ANALYSE = """
import json, resource, sys, time, haktrace
begin = time.monotonic()
with haktrace.read_trace(sys.argv[1]) as trace:
    live = haktrace.live_bytes(trace)
    figures = haktrace.workload(trace, live).to_dict()
    peak = int(live["peak_event"].iloc[live["peak_bytes"].argmax()])
    sites = haktrace.site_table(trace, trace.sites, peak)
    sizes = haktrace.size_histogram(trace)
    sums = ["objects", "bytes", "leaked_bytes", "peak_live_bytes"]
    figures["by_site"] = sites[sums].sum().to_dict()
    figures["by_size"] = sizes[["objects", "bytes"]].sum().to_dict()
    figures["steps"] = len(live)
figures["seconds"] = round(time.monotonic() - begin, 1)
figures["memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(figures))
"""


def test_in_bounded_memory(tmp_path: Path) -> None:
    trace = tmp_path / "long.zst"
    generate = str(BUILD / "tests/traces/generate")
    subprocess.run([generate, "--events", str(EVENTS), "--threads", "8", str(trace)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", ANALYSE, trace], check=True, capture_output=True, text=True
    )
    figures = json.loads(done.stdout)
    print(f"{EVENTS:,} events: {figures}")
    told = info(trace)
    for name in set(figures) & set(told):
        assert figures[name] == told[name], name
    assert figures["by_site"]["objects"] == figures["by_size"]["objects"] == told["objects"]
    assert figures["by_site"]["bytes"] == figures["by_size"]["bytes"]
    assert figures["by_site"]["leaked_bytes"] == told["leaked_bytes"]
    assert figures["by_site"]["peak_live_bytes"] == told["peak_live_bytes"]
    assert 1000 < figures["steps"] <= 2000
    assert figures["memory_bytes"] < MEMORY_BYTES
    trace.unlink()
