"""The HTML report: one file, whole, with the figures that the package computes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import info, run
from haktrace import compare, read_results, read_trace, report, workload
from handmade import KINDS, event_lines, random_rows, scribe
from handresults import MEASURED, random_results, result, write_results

HEAD = ["thread 1 0 -1 a"] * 3 + [f"site -1 {n} 0" for n in range(5)]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    facts = ["fact program /usr/bin/redis-server", "fact command redis-server --port <0>"]
    lines = [*facts, *HEAD, *event_lines(random_rows(1, 2000)), "end 4000000000 0 0 0"]
    return scribe(tmp_path / "redis.zst", lines)


def text_of(page: Path) -> str:
    """The page's words: no scripts, no styles, no tags."""
    words = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", page.read_text())
    return re.sub(r"\s+", " ", words)


def test_one_whole_file(trace: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "results.jsonl", random_results(1))
    page = tmp_path / "report.html"
    assert report.main([str(trace), str(results), "-o", str(page)]) == 0
    source = page.read_text()
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*\s(?:src|href)=""", source)
    assert not re.search(r"\$[a-z]+\b", text_of(page))
    assert source.count("Plotly.newPlot(") == 2 * 2 + 2
    assert "redis-server on hakmem, glibc, jemalloc, tcmalloc, mimalloc" in text_of(page)
    assert "--port &lt;0&gt;" in source


def test_figures_are_those_of_the_package(trace: Path, tmp_path: Path) -> None:
    path = write_results(tmp_path / "results.jsonl", random_results(2))
    page = tmp_path / "report.html"
    assert report.main([str(trace), str(path), "-o", str(page)]) == 0
    words = text_of(page)
    for schedule in ("lockstep", "parallel"):
        results = read_results(path)
        table = compare(results[results["schedule"] == schedule], "ns_per_op")
        for name, row in table.droplevel([0, 1, 2]).iterrows():
            same = "" if row["distinct"] or name == "glibc" else "~ "
            span = f"{row['low']:.1f} ns – {row['high']:.1f} ns"
            net = f"{row['median'] - 4.5:.1f} ns"
            figures = f"{row['median']:.1f} ns {span} {net} {same}{row['ratio']:.2f}×"
            assert f"{name} {figures}" in words
    assert f"calls {workload(read_trace(trace).events)['events']:,}" in words


def test_threads_and_sites_are_those_with_a_row(tmp_path: Path) -> None:
    """As `haktrace info` counts them: not what is only defined, but threads without a call too."""
    silent = f"event 4000000 3 {KINDS['thread_start']} 0 0 -1 -1 -1 0 0"
    defined = ["thread 1 0 -1 a"] * 2 + [f"site -1 {n} 0" for n in range(100, 107)]
    lines = ["fact program /usr/bin/p", *HEAD, *defined]
    lines += [*event_lines(random_rows(3, 500)), silent, "end 4000000000 0 0 0"]
    path = scribe(tmp_path / "few.zst", lines)
    results = write_results(tmp_path / "results.jsonl", random_results(1))
    page = tmp_path / "report.html"
    assert report.main([str(path), str(results), "-o", str(page)]) == 0
    told = info(path)
    assert (told["threads"], told["sites"]) == (4, 5)
    assert re.search(r"threads 4 +call sites 5 ", text_of(page)), text_of(page)[:900]


def test_memory_over_the_trace_and_latency_where_measured(trace: Path, tmp_path: Path) -> None:
    path = write_results(tmp_path / "results.jsonl", [result(**MEASURED), result(repeat=1)])
    page = tmp_path / "report.html"
    assert report.main([str(trace), str(path), "-o", str(page)]) == 0
    assert page.read_text().count("Plotly.newPlot(") == 2 + 2 + 2
    assert "Memory over the trace" in text_of(page)
    assert "Latency of all calls" in text_of(page)


def test_results_that_are_doubtful(trace: Path, tmp_path: Path) -> None:
    rows = [result(repeat=0), result(allocator="b", digest="other", check_errors=3)]
    path = write_results(tmp_path / "results.jsonl", rows)
    page = tmp_path / "report.html"
    assert report.main([str(trace), str(path), "-o", str(page)]) == 0
    words = text_of(page)
    assert "The runs did different work" in words
    assert "b: 3 errors found by" in words
    assert "1 repeat of" in words


def test_trace_without_times_or_ends(tmp_path: Path) -> None:
    rows = [(0, *row[1:]) for row in random_rows(2, 500)]
    cut = scribe(tmp_path / "cut.zst", [*HEAD, *event_lines(rows)])
    path = write_results(tmp_path / "results.jsonl", [result()])
    page = tmp_path / "report.html"
    assert report.main([str(cut), str(path), "-o", str(page)]) == 0
    assert "cut.zst: ends at byte" in text_of(page)


@pytest.mark.parametrize("broken", ["trace", "results", "output"])
def test_what_cannot_be_read_or_written(
    trace: Path, tmp_path: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = write_results(tmp_path / "results.jsonl", [result()])
    names = {"trace": trace, "results": results, "output": tmp_path / "report.html"}
    names[broken] = tmp_path / "nowhere" / broken
    command = [str(names["trace"]), str(names["results"]), "-o", str(names["output"])]
    assert report.main(command) == 1
    error = capsys.readouterr().err
    assert error.startswith("haktrace.report: ")
    assert f"nowhere/{broken}: " in error
    assert "No such file or directory" in error


def test_command_line(trace: Path, tmp_path: Path) -> None:
    results = write_results(tmp_path / "results.jsonl", random_results(3, repeats=1))
    page = tmp_path / "out.html"
    done = run(sys.executable, "-m", "haktrace.report", trace, results, "-o", page)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.stat().st_size > 1_000_000
    assert run(sys.executable, "-m", "haktrace.report").returncode == 2
