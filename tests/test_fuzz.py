"""Whole builds with a few of the damaged files that benchmarks/fuzz.py makes by the thousand."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COUNT = 40


def test_each_of_forty_damaged_files_is_cached_or_named():
    real = ROOT.parent / "shared/data"
    words = [
        "--count",
        str(COUNT),
        "--seed",
        "7",
        *(["--real", str(real)] if real.is_dir() else []),
    ]
    command = [sys.executable, "-m", "benchmarks.fuzz", *words]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["cached"] + found["failed"] == found["files"] == COUNT
    assert found["cached"] and found["failed"]  # damage of both kinds was met
    assert (found["neither"], found["unnamed"], found["damage"]) == ([], [], [])
