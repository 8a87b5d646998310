"""A shell on a terminal, for tests of what programs do there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from pathlib import Path
from types import TracebackType

from program import clean_environ

ROWS, COLUMNS = 24, 80


class Terminal:
    """An interactive bash whose terminal the test holds. Everything it shows is in `shown`."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.shown = ""
        env = clean_environ() | {"PS1": "$ ", "TERM": "xterm"} | environ
        self.pid, self.end = pty.fork()
        if not self.pid:
            os.chdir(folder)
            bash = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
            os.execve("/bin/bash", bash, env)
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        attributes = termios.tcgetattr(self.end)
        attributes[3] &= ~termios.ECHO
        termios.tcsetattr(self.end, termios.TCSANOW, attributes)
        self.expect("$ ")

    def send(self, text: str) -> None:
        """Types a text; control characters do what the terminal makes of them."""
        os.write(self.end, text.encode())

    def read(self, seconds: float) -> bool:
        """Waits for something to be shown; false: nothing came, or the shell is gone."""
        if not select.select([self.end], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.end, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)

    def expect(self, text: str, seconds: float = 60) -> str:
        """Waits until a text is shown; returns what was shown up to its end, which is taken."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            left = end - time.monotonic()
            assert left > 0, f"waited for {text!r}, was shown {self.shown!r}"
            assert self.read(left), f"no {text!r} in {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The terminal hangs up, which ends whatever still runs on it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(os.tcgetpgrp(self.end), signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.end)
        os.waitpid(self.pid, 0)
