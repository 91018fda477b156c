"""Processes that a program has started end with it, also if it is killed."""

import os
import select
import signal
import subprocess
import sys

import pytest

from semanticmac.preprocess.cluster.local_cluster import descendants, end_with_program

GUARD_S = 30  # A generous time limit.

# A child with a child of its own. Both belong to other process groups, as Ray's agents may.
CHILD = """
import subprocess, time
print(subprocess.Popen(["sleep", "999"], start_new_session=True).pid, flush=True)
time.sleep(999)
"""
PROGRAM = f"""
import subprocess, sys, time
from semanticmac.preprocess.cluster.local_cluster import descendants, end_with_program
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], stdout=subprocess.PIPE, text=True)
grandchild = int(child.stdout.readline())
with end_with_program(descendants()):
    print(child.pid, grandchild, flush=True)
    time.sleep(999)
"""


def ended(process: int) -> bool:
    return bool(select.select([process], [], [], GUARD_S)[0])


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_program_ends_its_descendants(with_signal):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    descriptors = [os.pidfd_open(int(number)) for number in program.stdout.readline().split()]
    assert len(descriptors) == 2
    program.send_signal(with_signal)
    assert all(ended(descriptor) for descriptor in descriptors)
    program.wait()


def test_only_the_given_processes_end():
    other = subprocess.Popen(["sleep", "999"])
    before = descendants()
    given = subprocess.Popen(["sleep", "999"])
    assert other.pid in before
    with end_with_program(descendants() - before):
        assert given.poll() is None
    assert given.wait(GUARD_S) == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()
