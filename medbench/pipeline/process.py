"""A step as a process of its own: its memory is freed, and what it says last is kept."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["call", "stop_on_sigterm"]

LAST_BYTES = 4000
PATIENCE = 20.0
"""Seconds that a stopped step has to end by itself."""


def call(words: Sequence[str], keep_open: int, *, quiet: bool = False) -> tuple[int, str]:
    """Run `medbench` with some words; what it says is shown as it comes.

    Args:
        words: what is typed behind `medbench`.
        keep_open: a file descriptor that the process inherits.
        quiet: do not show what it prints, only its messages.

    Returns:
        The exit code, and the message that it ended with.
    """
    with subprocess.Popen(
        [*program(), *words],
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.PIPE,
        pass_fds=(keep_open,),
    ) as process:
        assert process.stderr is not None
        last: deque[bytes] = deque(maxlen=LAST_BYTES)
        reader = threading.Thread(target=pass_on, args=(process.stderr, last), daemon=True)
        reader.start()
        try:
            code = process.wait()
        finally:  # after Ctrl-C and SIGTERM the step goes first
            end(process)
        reader.join()
    return code, message(b"".join(last).decode(errors="replace"))


def program() -> list[str]:
    """Return the command that this environment calls medbench by."""
    script = Path(sys.executable).with_name("medbench")
    if os.access(script, os.X_OK):
        return [str(script)]
    return [sys.executable, "-m", "medbench"]


def pass_on(source: IO[bytes], last: deque[bytes]) -> None:
    """Show a step's messages, and remember the end of them."""
    while chunk := os.read(source.fileno(), 4096):
        sys.stderr.write(chunk.decode(errors="replace"))
        sys.stderr.flush()
        last.extend(chunk[at : at + 1] for at in range(len(chunk)))


def message(text: str) -> str:
    """Return the error among a step's last words: from `medbench:` on, else the last line."""
    lines = [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]
    starts = [number for number, line in enumerate(lines) if line.startswith("medbench: ")]
    if starts:
        return "\n".join(lines[starts[-1] :]).removeprefix("medbench: ")
    return next((line for line in reversed(lines) if line), "it said nothing")


def end(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, and make it; it may have ended."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end this process as Ctrl-C does, with its step."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
