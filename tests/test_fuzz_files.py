"""A few of the damaged weight and feature files that benchmarks/fuzz_files.py makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COUNT = 48


def test_each_damaged_file_is_refused_in_words_or_read():
    command = [sys.executable, "-m", "benchmarks.fuzz_files", "--count", str(COUNT), "--seed", "5"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["refused"] + found["same"] + found["other"] == found["files"] == COUNT
    assert found["refused"]
