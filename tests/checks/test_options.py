"""Help, man pages and completions agree on the options of each program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command import BUILD, ROOT, run
from terminal import Terminal

PAGES = {
    "hakrec": ROOT / "recorder" / "hakrec.1",
    "haktrace": ROOT / "traces" / "haktrace.1",
    "hakreplay": ROOT / "replayer" / "hakreplay.1",
}
# Every program has them, and every --help says what they do.
USUAL = {"--help", "--usage", "--version", "-?", "-V"}
# What a page names that its program does not take.
FOREIGN = {"haktrace": {"--sites"}}

every_program = pytest.mark.parametrize("program", PAGES)


def helped(*words: str) -> str:
    """What --help prints."""
    done = run(BUILD / words[0], *words[1:], "--help")
    assert done.returncode == 0
    return done.stdout


def options_of(text: str) -> set[str]:
    """The options whose rows stand in an output of --help."""
    rows = re.findall(r"^ {2,6}(?:(-.), )? *(--[\w-]+)", text, re.MULTILINE)
    return {name for row in rows for name in row if name}


def subcommands(program: str) -> list[str]:
    """What haktrace and hakreplay call commands."""
    text = helped(program)
    listed = text.partition("Commands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE) + re.findall(
        r"or: +\w+ \[OPTION\.\.\.\] ([a-z]+) ", text
    )


def all_options(program: str) -> set[str]:
    """Those of a program and of its commands."""
    sets = [options_of(helped(program))]
    sets += [options_of(helped(program, word)) for word in subcommands(program)]
    return set().union(*sets)


def page(program: str) -> str:
    """The man page as text."""
    text = PAGES[program].read_text().replace(r"\-", "-")
    return re.sub(r"\\f.|\\&", "", text)


@every_program
def test_help_lines_up(program: str) -> None:
    """Every option begins its line, and what it does stands in one column."""
    for words in ([], *([word] for word in subcommands(program))):
        text = helped(program, *words)
        rows = re.split(r"^  -\?", text.partition("\n\n")[2], flags=re.MULTILINE)[0]
        for line in rows.splitlines():
            assert re.match(r"  (-\w, |    )--\w| {29}\S|$", line), line


@every_program
def test_man_page_has_every_option(program: str) -> None:
    named = set(re.findall(r"(?<![\w-])--?[a-zA-Z?][\w-]*", page(program)))
    missing = all_options(program) - USUAL - named
    assert not missing


@every_program
def test_man_page_has_no_other_option(program: str) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", page(program)))
    assert named <= all_options(program) | USUAL | FOREIGN.get(program, set())


def test_man_page_describes_each_command() -> None:
    """Of haktrace: in a section of its own, with its options."""
    sections = re.split(r"^\.SS ", page("haktrace"), flags=re.MULTILINE)[1:]
    by_name = {section.split()[0]: section for section in sections}
    for command in subcommands("haktrace"):
        for option in options_of(helped("haktrace", command)) - USUAL:
            assert option in by_name[command], (command, option)


@every_program
@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_has_every_option(program: str, shell: str) -> None:
    name = program if shell == "bash" else f"_{program}"
    text = (BUILD / "completions" / shell / name).read_text()
    named = set(re.findall(r"(?<![\w-])--?[a-zA-Z?][\w-]*", text))
    options = all_options(program)
    assert options <= named
    assert {name for name in named if name.startswith("--")} <= options


def complete(program: str, *words: str) -> set[str]:
    """What bash offers for the last word."""
    script = f"""
        source {BUILD}/completions/bash/{program}
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        _{program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", program, *words],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["hakrec", "--lo"], {"--lossy", "--lossless"}),
        (["hakrec", "--backend", ""], {"preload", "ebpf"}),
        (["hakrec", "--backend", "=", "e"], {"ebpf"}),
        (["hakrec", "--backend", "="], {"preload", "ebpf"}),
        (["hakrec", "-o", "READ"], {"README.md"}),
        (["hakrec", "-o", "x", "READ"], {"README.md"}),
        (["hakrec", "--duration", ""], set()),
        (["hakrec", "ls", "--lo"], set()),
        (["haktrace", "anon"], {"anonymize"}),
        (["haktrace", "dump", "--t"], {"--thread", "--to-ns"}),
        (["haktrace", "import", "--from", "m"], {"malloclab", "mtrace"}),
        (["haktrace", "info", "READ"], {"README.md"}),
        (["hakreplay", "--schedule", "p"], {"parallel", "paced"}),
        (["hakreplay", "compa"], {"compare"}),
        (["hakreplay", "compare", "--fail"], {"--fail-if"}),
    ],
    ids=" ".join,
)  # fmt: skip
def test_bash(words: list[str], offered: set[str]) -> None:
    assert complete(*words) == offered


def test_zsh(terminal: Terminal) -> None:
    """A shell that loads them completes an option, a value and a command."""
    if not shutil.which("zsh"):
        pytest.skip("no zsh")
    terminal.send("exec zsh -f\n")
    terminal.expect("\x1b[?2004h")
    terminal.send(f"fpath=({BUILD}/completions/zsh $fpath); autoload -U compinit; compinit -D -u\n")
    terminal.send(f"PATH=$PATH:{BUILD}; print ready\\!\n")
    terminal.expect("ready!\r\n")
    for typed, completed in (
        ("hakrec --max\t", "hakrec --max-size="),
        ("hakrec --backend=e\t", "hakrec --backend=ebpf"),
        ("haktrace anon\t", "haktrace anonymize"),
        ("haktrace dump --thr\t", "haktrace dump --thread="),
        ("hakreplay --schedule=lock\t", "hakreplay --schedule=lockstep"),
    ):
        # What stands on the line afterwards is printed by the shell itself.
        terminal.send(f"{typed}\x01print -r -- '\x05'\n")
        terminal.expect(f"\r\n{completed.rstrip('=')}")


def test_installed(tmp_path: Path) -> None:
    """Where both shells look."""
    done = run("make", "-C", ROOT, "install", f"DESTDIR={tmp_path}", "PREFIX=/usr", timeout=600)
    assert done.returncode == 0, done.stderr
    share = tmp_path / "usr" / "share"
    for program in PAGES:
        assert (share / "bash-completion" / "completions" / program).stat().st_size > 100
        assert (share / "zsh" / "site-functions" / f"_{program}").stat().st_size > 100
