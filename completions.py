"""Shell completions, made from the option tables that the programs' --help prints.

    python3 completions.py FOLDER PROGRAM...

writes FOLDER/bash/NAME and FOLDER/zsh/_NAME for each program.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

OPTION = re.compile(
    r"^ {2,6}(?:-(?P<short>.), )? *--(?P<long>[\w-]+)(?:=(?P<value>\S+))? *(?P<text>.*)"
)
ENTRY = re.compile(r"^  (?P<name>[a-z][\w-]*) +(?P<text>\S.*)")
SUBCOMMAND = re.compile(r"^(?:Usage| +or): +\S+ (?:\[OPTION\.\.\.\] )?(?P<name>[a-z]+) ")
FILES = re.compile(r"FILE|TRACE|OUT|RULES|NAME\b")


@dataclass
class Option:
    """One row of an option table."""

    long: str
    short: str | None
    value: str | None
    text: str

    @property
    def names(self) -> list[str]:
        """How it is written."""
        return [*([f"-{self.short}"] if self.short else []), f"--{self.long}"]


@dataclass
class Command:
    """A program or one of its subcommands, as its --help describes it."""

    name: str
    text: str = ""
    options: list[Option] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    runs: bool = False
    """Its first argument is a program, the rest that program's."""

    def choices(self, option: Option) -> list[str]:
        """The words that an option's value can be, where they are known."""
        value = option.value or ""
        if value == "FORMAT":
            return self.formats
        return value.split("|") if re.fullmatch(r"[a-z]+(\|[a-z]+)+", value) else []


def read_options(lines: list[str]) -> list[Option]:
    """The options, each with its text from all its lines."""
    options: list[Option] = []
    for line in lines:
        match = OPTION.match(line)
        if match:
            options.append(Option(match["long"], match["short"], match["value"], match["text"]))
        elif options and re.match(r" {20,}\S", line):
            options[-1].text = f"{options[-1].text} {line.strip()}".strip()
        elif options and not line:
            break
    return options


def read_list(lines: list[str], title: str) -> list[tuple[str, str]]:
    """The names and texts below a title."""
    if title not in lines:
        return []
    below = lines[lines.index(title) + 1 :]
    matches = [ENTRY.match(line) for line in below[: (below + [""]).index("")]]
    return [(match["name"], match["text"]) for match in matches if match]


def describe(program: Path, *words: str, text: str = "") -> Command:
    """Reads the --help of a program or of a subcommand."""
    told = subprocess.run(
        [program.absolute(), *words, "--help"], capture_output=True, text=True, check=True
    ).stdout
    lines = told.splitlines()
    command = Command(
        name=words[0] if words else program.name,
        text=text,
        options=read_options(lines),
        formats=[name for name, _ in read_list(lines, "Formats:")],
        runs="PROGRAM [ARG...]" in lines[0],
    )
    if words:
        return command
    found = dict(read_list(lines, "Commands:"))
    for line in lines:
        match = SUBCOMMAND.match(line)
        if match:
            found.setdefault(match["name"], "")
    command.commands = [describe(program, name, text=about) for name, about in found.items()]
    return command


# ---- bash ----

BASH = """\
# bash completion for {name}, made from its option table
_{name}()
{{
	local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command= i
	COMPREPLY=()
	# What has a "=" in it comes as three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${{COMP_WORDS[COMP_CWORD - 2]}}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${{COMP_WORDS[i]}} in
		{valued})
			[[ ${{COMP_WORDS[i + 1]}} == = ]] && ((i++))
			((i++)) ;;
		-*) ;;
		*) {found} ;;
		esac
	done
	case $command:$prev in
{values}	esac
	case $command:$cur in
{options}{words}	*) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")) ;;
	esac
}}
complete -F _{name} {name}
"""

RUNS = """\
if ((i < COMP_CWORD)); then
				declare -F _command_offset >/dev/null && _command_offset "$i" ||
					COMPREPLY=($(compgen -f -- "$cur"))
				return
			fi"""


def bash_value(command: Command, option: Option) -> str:
    """What completes an option's value."""
    choices = command.choices(option)
    if choices:
        return f"COMPREPLY=($(compgen -W '{' '.join(choices)}' -- \"$cur\"))"
    if option.value == "PID":
        return 'COMPREPLY=($(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur"))'
    if FILES.match(option.value or ""):
        return 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur"))'
    return ":"


def bash(program: Command) -> str:
    """The completion for bash."""
    valued = [n for o in program.options if o.value for n in o.names]
    values = options = ""
    for command in (program, *program.commands):
        key = "" if command is program else command.name
        for option in command.options:
            if option.value:
                pattern = "|".join(f"{key}:{name}" for name in option.names)
                values += f"\t{pattern}) {bash_value(command, option)}; return ;;\n"
        names = " ".join(name for option in command.options for name in option.names)
        options += f"\t{key}:-*) COMPREPLY=($(compgen -W '{names}' -- \"$cur\")) ;;\n"
    words = " ".join(command.name for command in program.commands)
    found = RUNS if program.runs else ":"
    if words:
        pattern = words.replace(" ", "|")
        found = f"case ${{COMP_WORDS[i]}} in {pattern}) command=${{COMP_WORDS[i]}} ;; esac; break"
    start = (
        "\t:*) compopt -o filenames 2>/dev/null\n"
        f'\t\tCOMPREPLY=($(compgen -W \'{words}\' -- "$cur"; compgen -f -- "$cur")) ;;\n'
    )
    return BASH.format(
        name=program.name,
        valued="|".join(valued) or "--",
        found=found,
        values=values,
        options=options,
        words=start if words else "",
    )


# ---- zsh ----


def zsh_quote(text: str) -> str:
    """A text inside a specification in single quotes."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_value(command: Command, option: Option) -> str:
    """The part of a specification that completes an option's value."""
    choices = command.choices(option)
    label = zsh_quote((option.value or "").partition("[")[0])
    if choices:
        return f":value:({' '.join(choices)})"
    if option.value == "PID":
        return f":{label}:_pids"
    return f":{label}:_files" if FILES.match(option.value or "") else f":{label}: "


def zsh_specs(command: Command) -> list[str]:
    """The options as specifications for _arguments."""
    specs = []
    for option in command.options:
        others = f"({' '.join(option.names)})"
        for name in option.names:
            spec, value = name, ""
            if option.value:
                spec += "=" if name.startswith("--") else "+"
                value = zsh_value(command, option)
            specs.append(f"'{others}{zsh_quote(spec)}[{zsh_quote(option.text)}]{value}'")
    return specs


def zsh_call(specs: list[str], indent: str) -> str:
    """A call of _arguments."""
    return f" \\\n{indent}\t".join(["_arguments -s -S", *specs])


def zsh(program: Command) -> str:
    """The completion for zsh."""
    head = f"#compdef {program.name}\n# made from the option table of {program.name}\n\n"
    specs = zsh_specs(program)
    if program.runs:
        return (
            head
            + zsh_call([*specs, "'(-)1:program:_command_names -e'", "'*::argument:_normal'"], "")
            + "\n"
        )
    if not program.commands:
        return head + zsh_call([*specs, "'*:file:_files'"], "") + "\n"
    names = [f"'{command.name}:{zsh_quote(command.text)}'" for command in program.commands]
    cases = ""
    for command in program.commands:
        call = zsh_call([*zsh_specs(command), "'*:file:_files'"], "\t")
        cases += f"{command.name})\n\t{call}\n\t;;\n"
    first = zsh_call([*specs, "'1:command:->first'", "'*::argument:->rest'"], "").replace(
        "_arguments", "_arguments -C", 1
    )
    return (
        f"{head}local -a commands=({' '.join(names)})\nlocal state line\n{first} && return\n"
        "case $state in\nfirst) _describe command commands; _files ;;\n"
        f"rest)\ncase $words[1] in\n{cases}"
        "*) _files ;;\nesac\n;;\nesac\n"
    )


def main() -> None:
    """Writes the files."""
    folder = Path(sys.argv[1])
    for kind in ("bash", "zsh"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for word in sys.argv[2:]:
        program = describe(Path(word))
        (folder / "bash" / program.name).write_text(bash(program))
        (folder / "zsh" / f"_{program.name}").write_text(zsh(program))


if __name__ == "__main__":
    main()
