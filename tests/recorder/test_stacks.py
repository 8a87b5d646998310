"""Stacks of frequent sites: looked at again, and how often they were the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import run
from haktrace import read_trace
from recording import record

# One call in `wrapped`, reached from two callers whose frames are alike, so that address and height
# of the stack are the same; which of them is random.
CALLERS = """\
#include <stdlib.h>
#define NOINLINE __attribute__((noinline, noclone))
static void *volatile sink;
NOINLINE static void wrapped(size_t size)
{
        sink = malloc(size);
        __asm__ volatile("");
}
NOINLINE static void left(void)
{
        wrapped(10);
        __asm__ volatile("");
}
NOINLINE static void right(void)
{
        wrapped(20);
        __asm__ volatile("");
}
int main(int argc, char **argv)
{
        unsigned random = 1;

        (void)argv;
        for (int i = 0; i < 70000; i++) {
                random = random * 1664525 + 1013904223;
                if (argc > 1 && random >> 31)
                        right();
                else
                        left();
                free(sink);
        }
        return 0;
}
"""


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("callers") / "callers"
    program.with_suffix(".c").write_text(CALLERS)
    done = run("gcc", "-O2", "-g", "-o", program, program.with_suffix(".c"))
    assert done.returncode == 0, done.stderr
    return program


# With exact times every call takes the way on which stacks are looked at.
EXACT = ["--time", "exact"]


def test_a_site_with_one_stack(callers: Path, tmp_path: Path) -> None:
    with read_trace(record(tmp_path, callers, options=EXACT).trace.path) as trace:
        own = trace.sites["module"] == str(callers)
        sites = trace.sites[own]
        assert len(sites) == 2
        assert (sites["stack_samples"] > 8).all()
        assert sites["stack_purity_ratio"].tolist() == [1, 1]
        stacks = trace.stacks[trace.stacks["depth"] == 0].set_index("site")
        assert stacks.loc[sites.index, "samples"].tolist() == sites["stack_samples"].tolist()


def test_a_site_with_two_stacks(callers: Path, tmp_path: Path) -> None:
    result = record(tmp_path, callers, "both", options=EXACT)
    with read_trace(result.trace.path) as trace:
        events = trace.events
        site = events.loc[(events["kind"] == "malloc") & (events["size"] == 10), "site"].iloc[-1]
        assert set(events.loc[events["size"] == 20, "site"]) == {site}
        stacks = trace.stacks[trace.stacks["site"] == site].groupby("stack")["samples"].first()
        told = trace.sites.loc[site]
        assert len(stacks) == 2
        assert stacks.sum() == told["stack_samples"]
        assert told["stack_purity_ratio"] == stacks.max() / stacks.sum() < 1
        chain = trace.symbols.loc[trace.symbols["site"] == site, "function"].tolist()
        assert chain[0] == "wrapped"
        assert chain[1] in ("left", "right")
        assert chain[2] == "main"
    assert result.trace.info["stack_purity_ratio"] < 1


def test_addresses_have_no_stacks(callers: Path, tmp_path: Path) -> None:
    info = record(tmp_path, callers, options=["--sites", "address", *EXACT]).trace.info
    assert (info["stacks"], info["stack_purity_ratio"]) == (0, None)
