"""Ends the processes of a local cluster together with the program that started it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A file descriptor of a process (pidfd) never refers to a later process with the same number.
_GUARD = """
import contextlib, signal, sys
sys.stdin.read()  # Returns when the program has ended.
for descriptor in sys.argv[1:]:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(int(descriptor), signal.SIGKILL)
"""


@contextmanager
def end_with_program(processes: Iterable[int]) -> Iterator[None]:
    """Kills the processes (by number) at the end of the block, or of this program if it is killed.

    Ray ends most of them by itself. Its two agents stay for another minute: they report the loss
    of the node to a server that has ended too.
    """
    descriptors = []
    for process in processes:
        try:
            descriptors.append(os.pidfd_open(process))
        except ProcessLookupError:
            continue
    guard = subprocess.Popen(
        [sys.executable, "-c", _GUARD, *map(str, descriptors)],
        stdin=subprocess.PIPE,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C in the terminal must not end it.
    )
    for descriptor in descriptors:
        os.close(descriptor)
    try:
        yield
    finally:
        guard.communicate()


def descendants() -> set[int]:
    """The numbers of all processes that this program or one of its descendants has started."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # PID (COMMAND) STATE PARENT …, where COMMAND may hold spaces and parentheses.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))

    numbers = list(children.get(os.getpid(), []))
    for number in numbers:  # The list grows meanwhile.
        numbers += children.get(number, [])
    return set(numbers)
