"""Sites and modules: keys that do not depend on the run, plug-ins that come and go."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from recording import WORKLOADS, Trace, record, record_like_bare

Key = tuple[int, str, int, int | None, str]


def keys(trace: Trace, module: str) -> Counter[Key]:
    """Thread, module, offset, height and kind of every call that came from a module."""
    return Counter(
        (row["thread"], module, row["offset"], row["height"], row["kind"])
        for row in trace.calls_from(module)
    )


def test_keys_do_not_depend_on_static_tls(tmp_path: Path) -> None:
    seen = []
    for name in (None, "statictls-64", "statictls-2048", "statictls-16384"):
        environ = {"LD_PRELOAD": str(WORKLOADS / f"lib{name}.so")} if name else {}
        trace = record(tmp_path / str(name), WORKLOADS / "heights", environ=environ).trace
        trace.assert_sound()
        seen.append(keys(trace, "heights"))
    for other in seen[1:]:
        assert other == seen[0]
    # All four threads, one return address, six heights each that differ by a frame; then the frees.
    mallocs = [key for key in seen[0] if key[4] == "malloc"]
    assert len({key[2] for key in mallocs}) == 1
    for thread in range(4):
        heights = sorted(key[3] or 0 for key in mallocs if key[0] == thread)
        assert len(set(heights)) == 6
        assert heights[0] > 0
        assert len({b - a for a, b in pairwise(heights)}) == 1
    assert {key[3] for key in mallocs if key[0] == 1} == {k[3] for k in mallocs if k[0] == 2}


def test_library_that_is_not_there(tmp_path: Path) -> None:
    """dlerror() tells of it, also after calls that the recorder meets for the first time."""
    recording = record_like_bare(tmp_path, WORKLOADS / "unloadable")
    recording.assert_sound()
    assert recording.done.stdout.count("refused libunloadable.so: ") == 4


def test_keys_do_not_depend_on_the_run(tmp_path: Path) -> None:
    first, second = (
        keys(record(tmp_path / str(n), WORKLOADS / "heights").trace, "heights") for n in range(2)
    )
    assert first == second


@pytest.mark.parametrize(("sites", "height"), [("address", False), ("context", True)])
def test_sites_option(tmp_path: Path, sites: str, height: bool) -> None:
    options = ("--quiet", "--sites", sites)
    trace = record(tmp_path, WORKLOADS / "heights", options=options).trace
    trace.assert_sound()
    rows = trace.calls_from("heights")
    assert len(rows) == 480 + 360
    assert all((row["height"] is not None) == height for row in rows)


def test_no_sites(tmp_path: Path) -> None:
    trace = record(tmp_path, WORKLOADS / "heights", options=("--quiet", "--sites", "none")).trace
    trace.assert_sound()
    assert trace.info["sites"] == 0
    assert trace.info["allocs"] >= 480
    assert all(row["site"] is None for row in trace.rows)


def test_module_that_was_closed(tmp_path: Path) -> None:
    """Two plug-ins, one after the other, maybe at one address: each call has its own module."""
    plugins = [WORKLOADS / "libplugin-a.so", WORKLOADS / "libplugin-b.so"]
    trace = record_like_bare(tmp_path, WORKLOADS / "pluginhost", *plugins).trace
    trace.assert_sound()
    for plugin, size in zip(plugins, (1111, 2222), strict=True):
        assert [row["size"] for row in trace.calls_from(plugin.name)] == [size] * 10
    assert [row["kind"] for row in trace.calls_from("pluginhost")] == ["free"] * 20


def test_plugin_that_bypasses_the_recorder(tmp_path: Path) -> None:
    """RTLD_DEEPBIND: its calls may go past the hooks; what is seen of them is tolerated."""
    deep = record_like_bare(
        tmp_path, WORKLOADS / "pluginhost", "--deep", WORKLOADS / "libplugin-a.so"
    )
    trace = deep.trace
    seen = len(trace.calls_from("libplugin-a.so"))
    # Either the plug-in's 40 calls are all seen, or none: then 10 of the host's frees are foreign.
    assert seen in (0, 40)
    trace.assert_sound(foreign=0 if seen else 10)
    own = trace.calls_from("pluginhost")
    assert sum(row["size"] == 4321 for row in own) == 20
    assert sum(row["kind"] == "free" for row in own) == 20
