"""The runner behind `make test`.

Runs every unit program (cmocka, TAP), then the pytest files in one process, then the style check
as one test; ends with the line `N passed, N failed, N skipped` and exits 0 only when nothing
failed and something passed. Whatever should have run and did not (a missing program or file, a
plan that was not kept, a file without tests) is a failure. Under sanitizers the pytest files are
skipped: they run the built programs on programs that lack the sanitizer's runtime; the unit
programs are what sanitizers are for.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UNIT_TIMEOUT_S = 300
STYLE_TIMEOUT_S = 600
PYTEST_TIMEOUT_S = 1200
SLOWEST = 10
EXIT_SKIP = 77

PLAN = re.compile(r"^1\.\.(\d+)\s*$", re.M)
RESULT = re.compile(r"^(ok|not ok) \d+(?: - | )?(# SKIP)?\s*(.*)$", re.M)


@dataclass
class Tally:
    """What the tests did so far."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: list[tuple[float, str]] = field(default_factory=list)

    def fail(self, what: str) -> None:
        """Counts one failure."""
        self.counts["failed"] += 1
        self.failures.append(what)


@dataclass
class Finished:
    """A child process that ended, or was ended."""

    status: int
    output: str
    seconds: float
    timed_out: bool

    def reason(self) -> str:
        """How it ended, in words."""
        if self.timed_out:
            return f"did not end within {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


def run(command: list[str], timeout_s: float, live: bool = False, **environ: str) -> Finished:
    """Runs a command in a process group of its own, which dies with it at the time-out."""
    begin = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environ,
        stdin=subprocess.DEVNULL,
        stdout=None if live else subprocess.PIPE,
        stderr=None if live else subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        timed_out = False
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    text = (output or b"").decode(errors="replace")
    return Finished(process.returncode, text, time.monotonic() - begin, timed_out)


def say(text: str) -> None:
    """Prints a line at once: a test that hangs must be the next one after the last line shown."""
    print(text, flush=True)


def run_unit(program: Path, tally: Tally) -> None:
    """Runs one unit program and counts its TAP results."""
    name = str(program.relative_to(ROOT)) if program.is_relative_to(ROOT) else str(program)
    if not program.is_file():
        tally.fail(f"{name}: not built")
        say(f"FAIL {name}: not built")
        return
    done = run([str(program)], UNIT_TIMEOUT_S, CMOCKA_MESSAGE_OUTPUT="TAP")
    tally.seconds.append((done.seconds, name))
    results = RESULT.findall(done.output)
    planned = sum(map(int, PLAN.findall(done.output)))
    failed = [what for verdict, skip, what in results if verdict == "not ok" and not skip]
    skipped = sum(1 for _, skip, _ in results if skip)
    passed = len(results) - len(failed) - skipped
    problems = [f"{name}: {what}" for what in failed]
    if done.status == EXIT_SKIP and not failed:
        skipped += 1
    elif (done.status != 0 and not failed) or done.timed_out or done.status < 0:
        after = f" after {results[-1][2]}" if results else ""
        problems.append(f"{name}: {done.reason()}{after}")
    elif len(results) != planned or not results:
        problems.append(f"{name}: planned {planned} tests, {len(results)} reported")
    tally.counts["passed"] += passed
    tally.counts["skipped"] += skipped
    for problem in problems:
        tally.fail(problem)
    verdict = "FAIL" if problems else "SKIP" if not passed else "ok  "
    say(f"{verdict} {name}: {passed} passed, {skipped} skipped, {done.seconds:.1f} s")
    if problems:
        say("".join(f"    {line}\n" for line in done.output.splitlines()).rstrip())
    elif skipped:
        for line in done.output.splitlines():
            if "SKIP" in line or done.status == EXIT_SKIP:
                say(f"    {line}")


def run_pytest(files: list[str], tally: Tally) -> None:
    """Runs the pytest files in one process, live, and counts from its junit file."""
    for missing in [name for name in files if not (ROOT / name).is_file()]:
        tally.fail(f"{missing}: no such file")
        files = [name for name in files if name != missing]
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-v", "-ra", "--color=no", "--tb=short"]
        command += ["-p", "no:cacheprovider", "-o", "faulthandler_timeout=300"]
        command += ["-o", "junit_family=xunit1", f"--junitxml={junit}"]
        command += [f"--rootdir={ROOT}", *files]
        say("")
        done = run(command, PYTEST_TIMEOUT_S, live=True)
        failures = tally.counts["failed"]
        cases = count_junit(junit, tally) if junit.is_file() else set()
    # Status 1 says that tests failed; it has to show in the file, any other status is not a result.
    if done.status != 0 and (done.status != 1 or tally.counts["failed"] == failures):
        tally.fail(f"pytest: {done.reason()}")
    for name in files:
        if name not in cases:
            tally.fail(f"{name}: no test in it ran")


def count_junit(junit: Path, tally: Tally) -> set[str]:
    """Counts the cases of a junit file; returns the files that they are from."""
    files = set()
    for case in ET.parse(junit).iter("testcase"):
        source = case.get("file") or case.get("classname", "").replace(".", "/") + ".py"
        files.add(source)
        name = f"{source}::{case.get('name')}"
        tally.seconds.append((float(case.get("time", "0")), name))
        if case.find("failure") is not None or case.find("error") is not None:
            tally.fail(name)
        elif case.find("skipped") is not None:
            tally.counts["skipped"] += 1
        else:
            tally.counts["passed"] += 1
    return files


def run_style(tally: Tally) -> None:
    """Runs the style check as one test."""
    say("")
    done = run([sys.executable, "tests/style.py"], STYLE_TIMEOUT_S)
    tally.seconds.append((done.seconds, "tests/style.py"))
    if done.status == 0:
        tally.counts["passed"] += 1
        say(f"ok   check-style: {done.seconds:.1f} s")
    else:
        tally.fail(f"check-style: {done.reason()}")
        say(f"FAIL check-style\n{done.output.rstrip()}")


def undeclared(units: list[Path], pytests: list[str]) -> list[str]:
    """Tests in the tree that no build.mk names, so that nothing would run them."""
    stems = {unit.name for unit in units}
    lost = [path for path in (ROOT / "tests").glob("*/test_*.c*") if path.stem not in stems]
    lost += [
        p for p in (ROOT / "tests").glob("*/test_*.py") if str(p.relative_to(ROOT)) not in pytests
    ]
    return sorted(str(path.relative_to(ROOT)) for path in lost)


def summary(tally: Tally) -> int:
    """Prints the slowest tests, the failures and the last line; returns the exit status."""
    say("\nslowest:")
    for seconds, name in sorted(tally.seconds, reverse=True)[:SLOWEST]:
        say(f"  {seconds:7.1f} s  {name}")
    if tally.failures:
        say("\nfailed:")
        for what in tally.failures:
            say(f"  {what}")
    counts = tally.counts
    say(f"\n{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 0 if counts["passed"] and not counts["failed"] else 1


def main() -> int:
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sanitized", action="store_true", help="unit programs only")
    parser.add_argument("--units", nargs="*", default=[], metavar="PROGRAM")
    parser.add_argument("--pytests", nargs="*", default=[], metavar="FILE")
    options = parser.parse_args()
    units = [ROOT / unit for unit in options.units]
    tally = Tally()
    # A build.mk may leave a program out under a sanitizer that does not fit it.
    for name in [] if options.sanitized else undeclared(units, options.pytests):
        tally.fail(f"{name}: no build.mk declares it")
    for unit in units:
        run_unit(unit, tally)
    if options.sanitized:
        for name in options.pytests:
            tally.counts["skipped"] += 1
            say(f"SKIP {name}: not under sanitizers")
    else:
        run_pytest(options.pytests, tally)
        run_style(tally)
    return summary(tally)


if __name__ == "__main__":
    sys.exit(main())
