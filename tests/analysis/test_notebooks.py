"""Notebooks run from top to bottom, on a small trace and on the sample that they name."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from handmade import event_lines, random_rows, scribe
from nbclient import NotebookClient
from replaying import make_random

FOLDER = ROOT / "analysis/notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path) -> nbformat.NotebookNode:
    """Runs a notebook; a cell that raises is an error."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": FOLDER}}).execute()
    return notebook


def figures(notebook: nbformat.NotebookNode) -> int:
    """How many plotly figures it shows."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("application/vnd.plotly.v1+json" in output.get("data", {}) for output in outputs)


# How many each one shows.
FIGURES = {"01_workload": 3, "02_compare": 4, "03_ablation": 1}


def test_there_are_notebooks() -> None:
    assert [path.name for path in NOTEBOOKS] == [f"{name}.ipynb" for name in FIGURES]


def small_trace(folder: Path, notebook: str) -> Path:
    """A trace with threads, sites and a stack; for what replays it, one that fits into memory."""
    if notebook in ("02_compare", "03_ablation"):
        return make_random(folder, 31)
    head = ["thread 1 0 -1 a"] * 3 + [f"site -1 {n} 0" for n in range(5)] + ["stack 2 -1 2 -1 99"]
    lines = [*head, *event_lines(random_rows(5, 3000)), "end 99999 0 0 0"]
    return scribe(folder / "a.zst", lines)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_on_a_small_trace(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAK_TRACE", str(small_trace(tmp_path, path.stem)))
    monkeypatch.setenv("HAK_REPEATS", "2")
    assert figures(execute(path)) == FIGURES[path.stem]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_on_its_own_sample(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not list((ROOT / "traces/samples").glob("*.zst")):
        pytest.skip("no sample traces")
    monkeypatch.delenv("HAK_TRACE", raising=False)
    monkeypatch.setenv("HAK_REPEATS", "2")
    assert figures(execute(path)) == FIGURES[path.stem]
