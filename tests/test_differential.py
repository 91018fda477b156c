"""A few of the films of benchmarks/differential.py: every frame right, by av and by ffmpeg."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COUNT = 40


def test_every_frame_of_forty_films_is_right():
    options = ["--count", str(COUNT), "--seed", "3", "--decoders", "av,ffmpeg"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.differential", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert figures["films"] == COUNT and figures["picks"] > 4 * COUNT
    assert figures["wrong"] == {"av": 0, "ffmpeg": 0}
    assert figures["refused"] == figures["other_pixels"] == 0
