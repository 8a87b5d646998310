"""haktrace rules: exactly what the statistics of a small trace ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conftest import BUILD, run

SCRIBE = BUILD / "tests" / "analysis" / "scribe"
MALLOC, REALLOC, FREE = 1, 3, 5
TABLES = """\
fact command ./app --fast
module 0x555500000000 0x2000 00ff11223344556677 /usr/bin/app
module 0x7f0000000000 0x2000 - /lib/plain.so
module 0x7f0000100000 0x2000 - /opt/my#own.so
site 0 4560 96
site 0 4560 112
site 1 0x2a1b0 2064
site 0 0x99 64
site 2 0x11 64
thread 1 0 -1 main
thread 2 0 -1 other
"""


class Rows:
    """Rows of a trace in the making."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.objects = 0

    def add(
        self, kind: int, *, size: int = 0, old: int = -1, site: int = -1, thread: int = 0
    ) -> int:
        """Appends a row; the number of the object born."""
        born = -1 if kind == FREE else self.objects
        self.objects += born >= 0
        self.lines.append(f"event 0 {thread} {kind} {size} 0 {born} {old} {site} 0 0\n")
        return born

    def large(self, times: int, site: int, together: int = 2) -> None:
        """So many large blocks are made with fewer alive than once were."""
        blocks = [self.add(MALLOC, size=32769, site=site) for _ in range(together)]
        for block in blocks:
            self.add(FREE, old=block)
        for _ in range(times):
            self.add(FREE, old=self.add(MALLOC, size=40000, site=site))

    def line(self, sizes: Iterator[int], site: int, growing_site: int) -> None:
        """One block grows through these sizes."""
        block = self.add(MALLOC, size=next(sizes), site=site)
        for size in sizes:
            block = self.add(REALLOC, size=size, old=block, site=growing_site)
        self.add(FREE, old=block)

    def remote(self, times: int, site: int, local: int) -> None:
        """Another thread frees so many, this one some more."""
        for number in range(times + local):
            block = self.add(MALLOC, size=100, site=site)
            self.add(FREE, old=block, thread=int(number < times))


def rules(folder: Path, rows: Rows, tables: str = TABLES) -> tuple[list[str], str]:
    """The lines written and what is said."""
    trace, file = folder / "made.zst", folder / "made.rules"
    text = tables + "".join(rows.lines) + "end 0 0 0 0\n"
    assert run(SCRIBE, trace, input=text).returncode == 0
    done = run(BUILD / "haktrace", "rules", trace, "-o", file)
    assert (done.returncode, done.stdout) == (0, "")
    return file.read_text().splitlines(), done.stderr.removeprefix(f"haktrace: {file}: ")


HEAD = "# Rules for hakmem from a trace of: ./app --fast"


def test_each_sort_of_site_gets_its_rule(tmp_path: Path) -> None:
    rows = Rows()
    rows.large(16, site=0)
    for most in (5000, 5000, 9000):
        rows.line(iter([100, *range(1000, most + 1, 500)]), site=1, growing_site=2)
    rows.remote(64, site=3, local=64)
    lines, said = rules(tmp_path, rows)
    # Three lines: 9 + 9 + 17 reallocs of 100 bytes and of 1000 to 4500 and 8500 bytes.
    assert lines == [
        HEAD,
        "# 16 large blocks, 640000 bytes, could be reused",
        "00ff11223344556677+0x11d0@96 keep",
        "# 35 reallocs let 3 blocks grow",
        "00ff11223344556677+0x11d0@112 grow=8192",
        "# 35 reallocs let 3 blocks grow",
        "plain.so+0x2a1b0@2064 grow=8192",
        "# another thread frees 64 of 128 blocks",
        "00ff11223344556677+0x99@64 remote",
    ]
    assert said == "4 rules: 1 keep, 2 grow, 1 remote\n"


def test_less_is_worth_no_rule(tmp_path: Path) -> None:
    rows = Rows()
    rows.large(15, site=0)
    for _ in range(16):
        rows.line(iter([1000, 2000]), site=1, growing_site=1)
    rows.remote(64, site=3, local=65)
    rows.large(20, site=4)  # a name that rules cannot hold
    lines, said = rules(tmp_path, rows)
    assert lines == [HEAD]
    assert said == "0 rules: 0 keep, 0 grow, 0 remote\n"


def test_more_than_can_be_kept_is_no_rule(tmp_path: Path) -> None:
    rows = Rows()
    rows.large(16, site=0, together=256)
    rows.large(16, site=1, together=257)
    lines, _ = rules(tmp_path, rows)
    assert [line for line in lines if line[0] != "#"] == ["00ff11223344556677+0x11d0@96 keep"]


def test_without_heights_it_says_what_the_rules_are_good_for(tmp_path: Path) -> None:
    rows = Rows()
    rows.large(16, site=0)
    tables = TABLES.replace("4560 96", "4560 0").split("site 0 4560 112")[0]
    tables += "thread 1 0 -1 main\nthread 2 0 -1 other\n"
    lines, said = rules(tmp_path, rows, tables)
    assert lines[2] == "00ff11223344556677+0x11d0@0 keep"
    assert said == (
        "1 rules: 1 keep, 0 grow, 0 remote; the trace has no stack heights, so they serve"
        " replays alone\n"
    )


def test_the_trace_itself_is_never_replaced(tmp_path: Path) -> None:
    rows = Rows()
    rows.large(16, site=0)
    rules(tmp_path, rows)
    trace = tmp_path / "made.zst"
    done = run(BUILD / "haktrace", "rules", trace, "-o", trace)
    assert done.returncode == 1
    assert done.stderr == f"haktrace: {trace}: this is the trace itself\n"
    assert run(BUILD / "haktrace", "verify", trace).returncode == 0
    assert run(BUILD / "haktrace", "rules", trace).returncode == 2
