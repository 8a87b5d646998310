"""The real programs that the tests record, replay and run on hakmem.

Each program's input is generated, the same in every run, and its output is checked against what
Python computes, not only against another run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from command import BUILD
from program import Outcome, Program, clean_environ, execute

WORKLOADS = Path(__file__).resolve().parent / "workloads"
BUILT = BUILD / "tests" / "workloads"

# Calls of the prime workload: prime, and prime again with the four that the C library adds.
PRIME_CALLS = 1_000_033
PRIME_LIBC_CALLS = 4


def ended_well(outcome: Outcome) -> None:
    """Status 0, and nothing on stderr."""
    seen = (outcome.status, outcome.stderr)
    assert seen == (0, ""), seen


# ---- python3 -----------------------------------------------------------------------------


def python_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """The document came back as it was."""
    assert outcome.stdout.startswith(f"records {3000 * scale} equal True bytes "), outcome.stdout


PYTHON = Program(
    name="python",
    argv=lambda scale: [
        "/usr/bin/python3",
        "-B",
        str(WORKLOADS / "roundtrip.py"),
        str(3000 * scale),
    ],
    check=python_check,
    environ={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"},
    needs=("/usr/bin/python3",),
)

# ---- g++ ---------------------------------------------------------------------------------

CXX_HEAD = """\
#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <vector>
"""
CXX_UNIT = """
template <typename Number> struct shape_%(k)d {
	std::map<Number, std::string> names;
	std::vector<Number> values;

	Number work(Number seed)
	{
		for (Number i = 0; i < %(rounds)d; i++) {
			values.push_back((i * %(factor)d + seed) %% 1009);
			names[values.back()] = std::to_string(i);
		}
		std::sort(values.begin(), values.end(), [](Number a, Number b) { return a > b; });
		Number sum = 0;
		for (Number value : values)
			sum = sum * 31 + value;
		return sum + static_cast<Number>(names.size());
	}
};
"""


def cxx_units(scale: int) -> list[dict[str, int]]:
    """Parameters of the generated classes."""
    return [{"k": k, "rounds": 10 + k % 7, "factor": 2 * k + 1} for k in range(8 * scale)]


def cxx_prepare(folder: Path, scale: int) -> None:
    """Writes the C++ file."""
    units = cxx_units(scale)
    terms = "".join(f"\ttotal += shape_{u['k']}<unsigned>().work({u['k']});\n" for u in units)
    (folder / "large.cc").write_text(
        CXX_HEAD
        + "".join(CXX_UNIT % unit for unit in units)
        + f'\nint main()\n{{\n\tunsigned total = 0;\n{terms}\tprintf("%u\\n", total);\n}}\n'
    )


def cxx_expected(scale: int) -> int:
    """What the compiled program must print."""
    total = 0
    for unit in cxx_units(scale):
        values = [(i * unit["factor"] + unit["k"]) % 1009 for i in range(unit["rounds"])]
        number = 0
        for value in sorted(values, reverse=True):
            number = number * 31 + value
        total += number + len(set(values))
    return total % 2**32


def cxx_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """The compiler was content and what it made computes the right number."""
    ended_well(outcome)
    assert outcome.stdout == ""
    done = subprocess.run([folder / "large"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{cxx_expected(scale)}\n"


CXX = Program(
    name="g++",
    argv=lambda scale: ["g++", "-O2", "-o", "large", "large.cc"],
    prepare=cxx_prepare,
    check=cxx_check,
    writes=("large",),
    needs=("g++",),
)

# ---- git ---------------------------------------------------------------------------------

GIT_FILES = 80


def git_lines(path: int, version: int) -> bytes:
    """A file's text: each version changes some lines, adds some and drops some."""
    lines = [
        f"file {path} line {line} of version {version if (line + version) % 13 == 0 else 0}\n"
        for line in range(20 + (path * 7 + version * 3) % 60)
    ]
    return "".join(lines).encode()


def git_stream(commits: int) -> bytes:
    """A history for `git fast-import`."""
    parts = []
    for number in range(commits):
        when = 1_600_000_000 + number * 3600
        message = f"Change {number}\n\n{'Why it was made. ' * (number % 5)}\n".encode()
        parts.append(
            b"commit refs/heads/main\ncommitter A Person <person@example.org> %d +0000\n"
            b"data %d\n%s\n" % (when, len(message), message)
        )
        for k in range(1 + number % 6):
            path = (number * 31 + k * 17) % GIT_FILES
            text = git_lines(path, number)
            name = f"part{path % 7}/section{path % 3}/file{path}.txt"
            parts.append(f"M 100644 inline {name}\ndata {len(text)}\n".encode() + text + b"\n")
    return b"".join(parts)


def git_prepare(folder: Path, scale: int) -> None:
    """Makes the repository."""
    env = clean_environ() | GIT_ENVIRON
    repository = folder / "history"
    init = ["git", "init", "-q", "--bare", "-b", "main", str(repository)]
    load = ["git", "-C", str(repository), "fast-import", "--quiet"]
    subprocess.run(init, env=env, check=True)
    subprocess.run(load, env=env, input=git_stream(1000 * scale), check=True)


def git_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """Every commit is there, newest first, with its files."""
    ended_well(outcome)
    numbers = [int(n) for n in re.findall(r"^    Change (\d+)$", outcome.stdout, re.M)]
    assert numbers == list(reversed(range(1000 * scale)))
    changed = [int(n) for n in re.findall(r"^ (\d+) files? changed", outcome.stdout, re.M)]
    assert len(changed) > 990 * scale
    assert max(changed) == 6


GIT_ENVIRON = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
GIT = Program(
    name="git",
    argv=lambda scale: ["git", "-C", "history", "log", "--stat", "main"],
    prepare=git_prepare,
    check=git_check,
    environ=GIT_ENVIRON,
    needs=("git",),
)

# ---- sqlite3 -----------------------------------------------------------------------------


def sqlite_prepare(folder: Path, scale: int) -> None:
    """Writes the SQL."""
    rows = 60_000 * scale
    (folder / "work.sql").write_text(f"""
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, part INTEGER, price REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
  INSERT INTO item SELECT i, 'item ' || (i * 7919 % 100003), i % 97, i * 0.5 FROM n;
CREATE INDEX item_name ON item(name);
CREATE INDEX item_part ON item(part, price);
UPDATE item SET name = upper(name) || substr('long text, and longer', 1, id % 20) WHERE id % 3 = 0;
DELETE FROM item WHERE id % 10 = 7;
SELECT count(*), sum(id) FROM item;
SELECT count(*) FROM (SELECT part, group_concat(name) AS names FROM item GROUP BY part);
SELECT count(*) FROM item a JOIN item b ON a.name = b.name WHERE a.id <> b.id;
SELECT count(DISTINCT substr(name, 1, 8)) > 0 FROM item;
""")


def sqlite_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """The counts are those that arithmetic gives."""
    ids = [i for i in range(1, 60_000 * scale + 1) if i % 10 != 7]
    ended_well(outcome)
    lines = outcome.stdout.split()
    assert lines[0] == f"{len(ids)}|{sum(ids)}"
    assert lines[1] == "97"
    assert lines[3] == "1"


SQLITE = Program(
    name="sqlite3",
    argv=lambda scale: ["sqlite3", ":memory:", ".read work.sql"],
    prepare=sqlite_prepare,
    check=sqlite_check,
    needs=("sqlite3",),
)

# ---- redis -------------------------------------------------------------------------------

REDIS_QUESTIONS = """\
set greeting hello
append greeting " world"
get greeting
rpush numbers 3 1 2 10 7
sort numbers
hset fields one 1 two 2
hlen fields
strlen greeting
del greeting numbers fields
flushall async
dbsize
"""
REDIS_ANSWERS = [
    "OK",
    "11",
    "hello world",
    "5",
    "1",
    "2",
    "3",
    "7",
    "10",
    "2",
    "2",
    "11",
    "3",
    "OK",
    "0",
]


def redis_wait(folder: Path) -> None:
    """Until the server answers."""
    for _ in range(300):
        ping = ["redis-cli", "-s", "redis.sock", "ping"]
        done = subprocess.run(ping, cwd=folder, capture_output=True, text=True, check=False)
        if done.stdout == "PONG\n":
            return
        time.sleep(0.05)
    raise AssertionError(f"redis-server does not answer: {(folder / 'stdout').read_text()}")


def redis_drive(folder: Path, scale: int) -> tuple[str, dict[str, float]]:
    """Puts load on the server, asks it some questions and shuts it down."""
    redis_wait(folder)
    load = [
        "redis-benchmark",
        "-s",
        "redis.sock",
        "-n",
        str(10_000 * scale),
        "-r",
        "2000",
        "-d",
        "200",
    ]
    load += ["-c", "16", "-P", "8", "--csv", "-t", "set,get,lpush,rpop,sadd,hset,zadd,mset"]
    begin = time.monotonic()
    done = subprocess.run(load, cwd=folder, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - begin
    rates = [float(line.split(",")[1].strip('"')) for line in done.stdout.splitlines()[1:]]
    ask = ["redis-cli", "-s", "redis.sock"]
    answers = subprocess.run(
        ask, cwd=folder, input=REDIS_QUESTIONS, capture_output=True, text=True, check=True
    ).stdout
    subprocess.run([*ask, "shutdown", "nosave"], cwd=folder, capture_output=True, check=False)
    return answers, {"requests_per_s": 10_000 * scale * len(rates) / seconds}


def redis_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """The server answered rightly and ended in peace."""
    ended_well(outcome)
    assert outcome.stdout.split("\n")[:-1] == REDIS_ANSWERS


REDIS = Program(
    name="redis",
    # Threads: the main one and one in the background that frees what `flushall async` leaves it.
    # Threads for input and output would spin, which two processors have no room for.
    argv=lambda scale: [
        *("redis-server", "--port", "0", "--unixsocket", "redis.sock", "--daemonize", "no"),
        *("--save", "", "--appendonly", "no", "--lazyfree-lazy-user-del", "yes"),
    ],
    check=redis_check,
    drive=redis_drive,
    needs=("redis-server", "redis-benchmark", "redis-cli"),
    threads=2,
)

# ---- sort --------------------------------------------------------------------------------


def sort_prepare(folder: Path, scale: int) -> None:
    """Writes a file that is large enough for sort to use two threads."""
    state = 12345
    with (folder / "unsorted").open("w") as out:
        for _ in range(300_000 * scale):
            state = state * 1103515245 + 12345 & 0x7FFFFFFF
            out.write(f"{state:08x} {'-' * (state >> 8 & 31)}\n")


def sort_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """The file is what Python sorts it to."""
    ended_well(outcome)
    assert outcome.stdout == ""
    with (folder / "unsorted").open("rb") as lines:
        expected = b"".join(sorted(lines))
    assert outcome.files["sorted"] == hashlib.sha256(expected).hexdigest()


SORT = Program(
    name="sort",
    argv=lambda scale: ["sort", "--parallel=2", "--buffer-size=64M", "-o", "sorted", "unsorted"],
    prepare=sort_prepare,
    check=sort_check,
    environ={"LC_ALL": "C"},
    writes=("sorted",),
    needs=("sort",),
)

# ---- four threads ------------------------------------------------------------------------


def prime_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """It made the calls that it was to make."""
    ended_well(outcome)
    assert outcome.stdout.endswith(f" calls {PRIME_CALLS}\n")


PRIME = Program(
    name="prime",
    argv=lambda scale: [str(BUILT / "prime"), str(PRIME_CALLS)],
    check=prime_check,
    threads=4,
)


def storm_check(outcome: Outcome, folder: Path, scale: int) -> None:
    """It made the calls that it was to make."""
    ended_well(outcome)
    assert outcome.stdout.endswith(f" calls {storm_calls(4, 100_000 * scale)}\n")


def storm_calls(threads: int, exchanges: int, slots: int = 64) -> int:
    """Calls that the storm makes itself."""
    return 2 * (slots + threads * exchanges) + threads * (exchanges // 32)


STORM = Program(
    name="storm",
    argv=lambda scale: [str(BUILT / "storm"), "4", str(100_000 * scale), "64", "32"],
    check=storm_check,
    threads=4,
)

REAL_PROGRAMS = (PYTHON, CXX, GIT, SQLITE, REDIS, SORT, PRIME)


def by_name(name: str) -> Program:
    """One of the programs."""
    return next(program for program in (*REAL_PROGRAMS, STORM) if program.name == name)


if __name__ == "__main__":
    # Runs programs bare: programs.py FOLDER [SCALE [NAME…]].
    for chosen in map(by_name, sys.argv[3:] or [p.name for p in (*REAL_PROGRAMS, STORM)]):
        place = Path(sys.argv[1]) / chosen.name
        size = int(sys.argv[2]) if len(sys.argv) > 2 else 1
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        chosen.prepare(place, size)
        ran = execute(chosen, place, scale=size)
        chosen.check(ran, place, size)
        print(
            f"{chosen.name:8} status {ran.status} wall {ran.wall_ns / 1e9:.2f} s"
            f" cpu {(ran.own_cpu_ns + ran.children_cpu_ns) / 1e9:.2f} s {ran.figures}"
        )
