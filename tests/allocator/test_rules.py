"""Site rules: the same sites in a trace, in the running program and in a replay."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import haktrace
import pytest
from conftest import BUILD, run
from recording import Row, Trace, record

pytestmark = pytest.mark.skipif(
    "/config/" in str(BUILD),
    reason="a sanitizer's own malloc comes first",
)

LIBRARY = BUILD / "libhakmem.so"
SITES = BUILD / "tests" / "allocator" / "callsites"
PLUGINS = [BUILD / "tests" / "workloads" / f"libplugin-{name}.so" for name in "ab"]


def live(*command: str | Path, folder: Path, rules: str) -> tuple[dict[str, int], str]:
    """Runs a command on hakmem with rules; its counters and what stands on standard error."""
    file, stats = folder / "live.rules", folder / "live.json"
    file.write_text(rules)
    options = f"rules={file},stats={stats}"
    done = run(*command, env={**os.environ, "LD_PRELOAD": str(LIBRARY), "HAKMEM_OPTIONS": options})
    assert done.returncode == 0, done.stderr
    return json.loads(stats.read_text()), done.stderr


def replayed(trace: Path, folder: Path, rules: str) -> dict[str, int]:
    """Counters of a replay with rules."""
    file, results = folder / "replay.rules", folder / "replay.jsonl"
    file.write_text(rules)
    results.unlink(missing_ok=True)
    done = run(
        *(BUILD / "hakreplay", trace, "--alloc", f"hakmem={LIBRARY}"),
        *("--hakmem", f"rules={file}", "--repeat", "1", "--json", results),
    )
    assert done.returncode == 0, done.stderr
    stats: dict[str, int] = json.loads(results.read_text())["allocator_stats"]
    return stats


@dataclass(frozen=True)
class Site:
    """A call site as rules name it."""

    module: str
    offset: int
    height: int

    def __str__(self) -> str:
        return f"{self.module}+0x{self.offset:x}@{self.height}"


def is_served(row: Row) -> bool:
    """Whether rules may change what a call gets."""
    frees = row["kind"].startswith(("free", "delete"))
    return not frees and row["size"] != 0


def build_ids(trace: Trace) -> dict[str, str]:
    """Build id of each module of a trace, by path."""
    modules = haktrace.read_trace(trace.path).modules
    return dict(zip(modules["path"], modules["build_id"], strict=True))


def sites_of(trace: Trace, *names: str) -> Counter[Site]:
    """How often each site of the modules of these names obtained memory."""
    ids = build_ids(trace)
    return Counter(
        Site(ids[row["module"]] or Path(row["module"]).name, row["offset"], row["height"])
        for row in trace.calls
        if Path(row["module"] or "").name in names and is_served(row)
    )


def test_every_site_is_known_live_and_in_a_replay(tmp_path: Path) -> None:
    trace = record(tmp_path, SITES, *PLUGINS).trace
    counts = sites_of(trace, "callsites", *(path.name for path in PLUGINS))
    # 13 loops with 15 sites and one of two heights, by two threads; and two plug-ins.
    assert len(counts) == 2 * 17 + 2
    rules = "".join(f"{site} life=short\n" for site in counts)
    stats, errors = live(SITES, *PLUGINS, folder=tmp_path, rules=rules)
    assert errors == ""
    assert stats["rules_loaded"] == len(counts)
    assert stats["rule_calls"] == counts.total()
    assert replayed(trace.path, tmp_path, rules)["rule_calls"] == counts.total()
    # Each alone counts its own calls, also where one library follows another at its address.
    late = [site for site in counts if counts[site] in (7, 14)]
    for site in [*late, *sorted(counts, key=str)[::7]]:
        stats, _ = live(SITES, *PLUGINS, folder=tmp_path, rules=f"{site} keep\n")
        assert (site, stats["rule_calls"]) == (site, counts[site])
        assert replayed(trace.path, tmp_path, f"{site} keep\n")["rule_calls"] == counts[site]


def test_mistakes_are_reported_by_line_and_skipped(tmp_path: Path) -> None:
    lines = [
        ("# a comment", None),
        ("", None),
        ("m+0x10@32 keep", None),
        ("m+0x10@32 life=long", "this site has a rule already"),
        ("m+0x11@32", "no action after the site"),
        ("m+0x12 keep", "the site has no '@HEIGHT'"),
        ("m@32 keep", "the site is not 'MODULE+OFFSET@HEIGHT'"),
        ("+5@32 keep", "the site is not 'MODULE+OFFSET@HEIGHT'"),
        ("m+1g@32 keep", "the site's offset is not a number"),
        ("m+99999999999999999999@32 keep", "the site's offset is not a number"),
        ("m+5@4294967296 keep", "the site's height is not a number of 32 bits"),
        ("m+5@32 keeep", "unknown action"),
        ("m+5@32 grow=0", "'grow' is not a number of bytes from 1 to 1 GiB"),
        ("m+5@32 grow=1073741825", "'grow' is not a number of bytes from 1 to 1 GiB"),
        ("m+5@32 pool=9", "'pool' is not a number from 1 to 8"),
        ("m+5@32 remote life=short", "more than one of 'life', 'remote' and 'pool'"),
        ("m+5@32 keep\0", "a byte that is no text"),
        ("m+5@32 keep #" + 1100 * "x", "line longer than 1023 bytes"),
        ("libstdc++.so.6+0x12@0x20  keep\tgrow=0x1000 remote  # all", None),
    ]
    stats, errors = live("/bin/true", folder=tmp_path, rules="\n".join(line for line, _ in lines))
    file = tmp_path / "live.rules"
    assert errors.splitlines() == [
        f"hakmem: {file}:{number}: {wrong}" for number, (_, wrong) in enumerate(lines, 1) if wrong
    ]
    assert stats["rules_loaded"] == 2


@pytest.mark.parametrize("name", ["nothing", "folder"])
def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    done = run(
        "/bin/true",
        env={
            **os.environ,
            "LD_PRELOAD": str(LIBRARY),
            "HAKMEM_OPTIONS": f"rules={tmp_path / name}",
        },
    )
    assert done.returncode == 0
    assert done.stderr == f"hakmem: cannot read the rules of '{tmp_path / name}'\n"


def test_modules_go_by_name_as_well(tmp_path: Path) -> None:
    trace = record(tmp_path, SITES).trace
    counts = sites_of(trace, "callsites")
    rules = "".join(f"callsites+{site.offset}@{site.height} keep\n" for site in counts)
    stats, _ = live(SITES, folder=tmp_path, rules=rules)
    assert stats["rule_calls"] == counts.total()
