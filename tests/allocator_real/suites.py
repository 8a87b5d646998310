"""The test suites that ship with python3, sqlite3 and perl, on libhakmem.so.

Fetches them from the Debian archive, runs each test file with and without hakmem and compares, test
by test, what passed; a file whose results differ is run once more on both. Asserts that hakmem
answered. Exits 1 when a result differs twice, 77 when the archive cannot be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from command import BUILD, run  # noqa: E402

HAKMEM = BUILD / "libhakmem.so"
PYTHON = "/usr/bin/python3"
FILE_SECONDS = 900
SKIP = 77

# Modules that need neither network nor display, and are told apart by more than the clock.
PYTHON_FILES = """
    test_array test_ast test_asyncgen test_augassign test_base64 test_bigmem test_binop
    test_bisect test_bool test_bufio test_builtin test_bytes test_bz2 test_call
    test_cmath test_codecs test_collections test_compile test_complex test_contextlib
    test_copy test_coroutines test_csv test_ctypes test_dataclasses test_decimal test_deque
    test_descr test_dict test_dictviews test_difflib test_enum test_exceptions test_fileio
    test_float test_fork1 test_format test_fractions test_functools test_gc test_generators
    test_genericpath test_grammar test_gzip test_hash test_hashlib test_heapq test_index
    test_int test_io test_itertools test_json test_list test_long test_lzma test_marshal
    test_math test_memoryio test_memoryview test_mmap test_ordered_dict test_pickle test_queue
    test_random test_re test_set test_shelve test_slice test_sort test_statistics
    test_struct test_structseq test_subprocess test_super test_sys test_tarfile test_tempfile
    test_thread test_threading test_threading_local test_traceback test_tuple test_types
    test_typing test_unicode test_unpack test_userdict test_weakref test_weakset
    test_xml_etree test_xml_etree_c test_zipfile test_zlib
""".split()
# Waits for ever when its isolated child does not find the test module, which is not python3's own.
PYTHON_UNFIT = "test_4_daemon_threads"
SQLITE_FILES = (
    "aggnested* alter* analyze* autoinc* between* blob* btree0* cast* check* collate* conflict* "
)
SQLITE_FILES += (
    "cse* date* delete* distinct* e_* expr* fkey* fts3a* func* hook* in* join* json* like* "
)
SQLITE_FILES += "limit* memdb* misc* null* orderby* pragma* query* rollback* rtree* savepoint* "
SQLITE_FILES += (
    "select* sort* subquery* table* temp* thread* trans* trigger* types* union* update* "
)
SQLITE_FILES += "upsert* vacuum* view* where* window* with* without*"
# These make each allocation fail in turn; how many there are goes by usable sizes.
SQLITE_FAULTS = re.compile("do_faultsim|malloc_common")
PERL_FILES = "base/*.t cmd/*.t comp/*.t op/*.t re/*.t uni/*.t mro/*.t lib/*.t"

# Of a test, its name and what came of it.
Results = dict[str, str]


@dataclass(frozen=True)
class Suite:
    """A suite as it was fetched: its test files, how one is run, and what its output says."""

    name: str
    files: list[str]
    command: Callable[[str], list[str]]
    folder: Path | None  # to run in; None: a fresh one for each file
    results: Callable[[str, Path], Results]
    environ: dict[str, str]


class UnreachableError(Exception):
    """The Debian archive, or a package of it, could not be had."""


def fetch(folder: Path, *words: str) -> None:
    """Has apt-get fetch a package into `folder`, with lists of its own, not the system's."""
    state = folder / f"apt-{words[-1]}"
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    wanted = ("Created-By: Packages", "Origin: Debian")
    known = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", *wanted
    )
    sources = state / "sources.list"
    sources.write_text(
        "".join(
            f"{kind} {line}\n"
            for line in set(known.stdout.splitlines())
            for kind in ("deb", "deb-src")
        )
    )
    options = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "APT::Sandbox::User": "",
    }
    settings = [f"-o{key}={value}" for key, value in options.items()]
    apt_get(folder, settings, "update")
    try:
        apt_get(folder, settings, *words)
    except UnreachableError:
        # An archive may list a version before it has it, or when it has it no more.
        shown = run("apt-cache", *settings, "showsrc", "--only-source", words[-1], cwd=folder)
        versions = re.findall(r"^Version: (.*)$", shown.stdout, re.M)
        if words[0] != "source" or len(versions) < 2:
            raise
        apt_get(folder, settings, *words[:-1], f"{words[-1]}={min(versions)}")


def apt_get(folder: Path, settings: list[str], *words: str) -> None:
    """Has apt-get do something there."""
    done = run("apt-get", *settings, *words, cwd=folder, timeout=600)
    if done.returncode:
        raise UnreachableError(f"apt-get {' '.join(words)}: {done.stderr.strip()}")


def only(folder: Path, pattern: str) -> Path:
    """The one file of a folder with such a name."""
    (found,) = folder.glob(pattern)
    return found


def unpack(folder: Path, pattern: str, target: str) -> Path:
    """Unpacks a source archive; the folder of its contents."""
    place = folder / target
    place.mkdir(exist_ok=True)
    words = ("-xf", only(folder, pattern), "-C", place, "--strip-components=1")
    subprocess.run(["tar", *words], check=True)
    return place


def junit_results(_output: str, folder: Path) -> Results:
    """Of python3's tests, as it wrote them."""
    tree = xml.etree.ElementTree.parse(folder / "results.xml")
    return {
        case.get("name", ""): " ".join([case.get("result", ""), *(part.tag for part in case)])
        for case in tree.iter("testcase")
    }


def tcl_results(output: str, _folder: Path) -> Results:
    """Of sqlite3's tests, as printed; what leaked memory counts as a test too."""
    # Some threads print dots of their own in front.
    results = dict(re.findall(r"^\.*(?:[\w.]+ )?\.*(\S+?)\.\.\. ?(Ok|\n?! \S+.*)$", output, re.M))
    for failed in re.findall(r"^! (\S+) (?:expected|got)", output, re.M):
        results[failed] = "failed"
    found = re.search(r"^(\d+ errors out of \d+ tests)", output, re.M)
    return results | {"sum": found[1] if found else "none"}


def tap_results(output: str, _folder: Path) -> Results:
    """Of perl's tests, in the lines that say ok or not ok."""
    return {number: state for state, number in re.findall(r"^((?:not )?ok) (\d+)", output, re.M)}


def python_suite(folder: Path) -> Suite:
    """python3's, from the package of the same release that holds its tests."""
    stdlib = Path(
        run(PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))").stdout.strip()
    )
    place = folder / "python"
    library = place / stdlib.relative_to("/")
    if not place.exists():
        fetch(folder, "download", f"lib{stdlib.name}-testsuite")
        words = ("-x", only(folder, "libpython*-testsuite_*.deb"), place)
        subprocess.run(["dpkg", *words], check=True)
        # The package adds to what python3 itself has of the test module.
        shutil.copytree(stdlib / "test", library / "test", dirs_exist_ok=True)
    present = {path.stem for path in (library / "test").glob("test_*")}
    return Suite(
        "python3",
        [name for name in PYTHON_FILES if name in present],
        lambda name: [PYTHON, "-m", "test", "-i", PYTHON_UNFIT, "--junit-xml", "results.xml", name],
        None,
        junit_results,
        {"PYTHONPATH": str(library), "PYTHONHASHSEED": "0"},
    )


def sqlite_suite(folder: Path) -> Suite:
    """sqlite3's, with the test program built from Debian's source."""
    place = folder / "sqlite"
    if not (place / "testfixture").exists():
        fetch(folder, "source", "--download-only", "sqlite3")
        place = unpack(folder, "sqlite3_*.orig.tar.*", "sqlite")
        for command in (["./configure"], ["make", "testfixture"]):
            subprocess.run(command, cwd=place, check=True, stdout=subprocess.DEVNULL)
    names = {
        path.name
        for pattern in SQLITE_FILES.split()
        for path in (place / "test").glob(f"{pattern}.test")
        if not SQLITE_FAULTS.search(path.read_text(errors="replace"))
    }
    return Suite(
        "sqlite3",
        sorted(names),
        lambda name: [str(place / "testfixture"), str(place / "test" / name)],
        None,
        tcl_results,
        {},
    )


def perl_suite(folder: Path) -> Suite:
    """perl's, run by the installed perl with its own library in place of the source's."""
    place = folder / "perl"
    if not place.exists():
        fetch(folder, "source", "--download-only", "perl")
        place = unpack(folder, "perl_*.orig.tar.*", "perl")
        shutil.rmtree(place / "lib")
        places = run(
            "perl", "-MConfig", "-e", "print join qq{\\n}, @Config{qw(privlib archlib)}, @INC"
        )
        for path in map(Path, places.stdout.splitlines()):
            if path.is_dir() and not path.is_relative_to("/etc"):
                shutil.copytree(path, place / "lib", dirs_exist_ok=True)
        (place / "t" / "perl").symlink_to(shutil.which("perl") or "/usr/bin/perl")
    tests = place / "t"
    names = [path for pattern in PERL_FILES.split() for path in tests.glob(pattern)]
    return Suite(
        "perl",
        sorted(str(path.relative_to(tests)) for path in names),
        lambda name: ["perl", name],
        tests,
        tap_results,
        {},
    )


def results_of(suite: Suite, name: str, hakmem: bool) -> Results:
    """Runs a test file; its results and its exit status. Asserts that hakmem answered."""
    with tempfile.TemporaryDirectory() as scratch:
        stats = Path(scratch) / "stats.json"
        extra = {"LD_PRELOAD": str(HAKMEM), "HAKMEM_OPTIONS": f"stats={stats}"} if hakmem else {}
        folder = suite.folder or Path(scratch)
        try:
            done = subprocess.run(
                suite.command(name),
                cwd=folder,
                env=os.environ | suite.environ | extra,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL if suite.folder else subprocess.STDOUT,
                timeout=FILE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"exit": f"none in {FILE_SECONDS} s"}
        if hakmem:
            assert json.loads(stats.read_text())["heaps_created"] >= 1, name
        output = done.stdout.decode(errors="replace")
        return suite.results(output, folder) | {"exit": str(done.returncode)}


def difference(bare: Results, hakmem: Results) -> list[str]:
    """The tests whose results differ, with both."""
    return [
        f"{test}: {bare.get(test)}, on hakmem {hakmem.get(test)}"
        for test in sorted(bare.keys() | hakmem.keys())
        if bare.get(test) != hakmem.get(test)
    ]


def compare(suite: Suite, names: list[str]) -> Iterator[tuple[str, Results, list[str]]]:
    """Each file with its results on hakmem and what differs, in two attempts."""
    for name in names:
        for _attempt in range(2):
            bare, hakmem = results_of(suite, name, False), results_of(suite, name, True)
            differs = difference(bare, hakmem)
            if not differs:
                break
        yield name, hakmem, differs


def report(suite: Suite, names: list[str]) -> bool:
    """Runs files and prints what came of them; False when any differs or no test passed."""
    tests, good, bad = 0, 0, 0
    for name, results, differs in compare(suite, names):
        tests += len(results)
        good += sum(state in ("ok", "Ok", "completed") for state in results.values())
        bad += bool(differs)
        for line in differs:
            print(f"{suite.name} {name}: {line}", flush=True)
    print(
        f"{suite.name}: {len(names)} files, {tests - len(names)} tests, {good} passed; "
        f"{bad} files differ on hakmem",
        flush=True,
    )
    return good > 0 and not bad


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("suite", nargs="*", help="python3, sqlite3, perl; all when none is given")
    parser.add_argument("--only", default="", help="files whose names hold this")
    parser.add_argument("--folder", type=Path, default=BUILD / "suites", help="where they are kept")
    words = parser.parse_args()
    suites = {"python3": python_suite, "sqlite3": sqlite_suite, "perl": perl_suite}
    folder = words.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    same = True
    try:
        for name in words.suite or suites:
            suite = suites[name](folder)
            same &= report(suite, [file for file in suite.files if words.only in file])
    except UnreachableError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return SKIP
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
