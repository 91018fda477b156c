"""A few bytes in a pickle cannot take gigabytes of memory."""

import pickle
import resource
import struct
import subprocess
import sys

import numpy as np
import pytest

from semanticmac.preprocess.corpora.pickle_scan import check_opcodes

MEMO_BOMB = b"\x80\x04N" + b"r" + struct.pack("<I", 2**31 - 1) + b"."
BYTES_BOMB = b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"."
UNICODE_BOMB = b"\x80\x04\x8d" + struct.pack("<Q", 2**33) + b"."


@pytest.mark.parametrize("bomb", [MEMO_BOMB, BYTES_BOMB, UNICODE_BOMB, b"\x80\x04(", b"p-1\n."])
def test_a_bomb_is_refused_without_its_memory(tmp_path, bomb):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(bomb)
    code = (
        "import resource, sys, pathlib, pickle\n"
        "from semanticmac.preprocess.corpora.pickle_scan import check_opcodes\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: check_opcodes(pathlib.Path(sys.argv[1]))\n"
        "except pickle.UnpicklingError: pass\n"
        "else: raise SystemExit('it was let through')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 16 * 1024  # KiB


def test_the_memo_bomb_is_one(tmp_path):
    """Without the check these twelve bytes ask for gigabytes."""
    path = tmp_path / "bomb.pkl"
    path.write_bytes(MEMO_BOMB)
    code = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    limit = 2 * 2**30

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, preexec_fn=limited
    )
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_real_pickles_pass(tmp_path, protocol):
    rows = [{"id": f"clip {i}", "label": i / 7, "audio": np.ones((3, 4))} for i in range(300)]
    path = tmp_path / "real.pkl"
    path.write_bytes(pickle.dumps({"train": rows, "test": rows[:5]}, protocol))
    check_opcodes(path)
