"""A typo in a name, a setting or a path is refused before any heavy library is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parents[1] / "data" / "version-0.1"
CACHED = ("--cache", "planted-cache", "--dataset", "planted")
RUN = "runs/finished"
CASES = [
    (("cache", "mozi"), "did you mean mosi"),
    (("cache", "mosi", "--root", "nope", "--device", "cuda"), "nope is not a folder"),
    (("cache", "folder", "--root", "films", "--encoder", "imagbind"), "no encoder 'imagbind'"),
    (("cache", "folder", "--root", "films", "--vision", "clip:/nope"), "there is no folder /nope"),
    (("predict", "films/one.mp4", "--run", RUN, "--device", "cpux"), "expected auto, cpu, cuda or"),
    (("cache", "folder", "--root", "films", "--encoder", "no.pth"), "there is no file no.pth"),
    (("inspect", "plantd", "--cache", "planted-cache"), "did you mean planted?"),
    (("verify", "--cache", "nope"), "nope does not hold a dataset"),
    (("train", "--cache", "nope"), "nope does not hold a dataset"),
    (("train", "--cache", "planted-cache", "--dataset", "plantd"), "did you mean planted?"),
    (("train", *CACHED, "--set", "epoch=1"), "did you mean epochs"),
    (("train", *CACHED, "--set", "epochs=many"), "must be a whole number"),
    (("train", *CACHED, "--set", "heads=7"), "must be divisible by heads=7"),
    (("train", *CACHED, "--preset", "mozi"), "did you mean mosi"),
    (("train", *CACHED, "--config", "nope"), "nope is not there"),
    (("train", *CACHED, "--run", RUN), "holds a run already"),
    (("train", *CACHED, "--seeds", "many"), "expected how many, as 5, or which"),
    (("train", *CACHED, "--set", "language=./nope"), "there is no such folder"),
    (("train", *CACHED, "--set", "language=nope/nope"), "is not on this machine, and HF_HUB_OFF"),
    (("train", "--cache", "planted-cache", "--resume", "nope"), "no training was started"),
    (("sweep", *CACHED, "--set", "epoch=1"), "did you mean epochs"),
    (("sweep", *CACHED, "--space", "nope.toml"), "nope.toml"),
    (("ablate", *CACHED, "--set", "epoch=1"), "did you mean epochs"),
    (("ablate", *CACHED, "--rows", "full,sgif"), "there is no ablation row 'sgif'"),
    (("eval", "nope"), "nope does not exist"),
    (("eval", RUN, "--cache", "nope"), "nope does not hold the dataset 'planted'"),
    (("eval", RUN, "--split", "tset"), "--split tset"),
    (("eval", RUN, "--missing", "all,smae"), "--missing smae"),
    (("eval", RUN, "--draws", "3"), "--draws and --dropped-words belong to --missing"),
    (("report", "nope"), "nope does not exist"),
    (("report", RUN, "--cache", "nope"), "nope does not hold the dataset 'planted'"),
    (("analyze", "labels", "--run", "nope"), "nope does not exist"),
    (("analyze", "lables", "--run", RUN), "there is no analysis 'lables'"),
    (("analyze", "labels", "--run", RUN, "--cache", "nope"), "nope does not hold"),
    (("predict", "nope.mp4", "--run", RUN), "nope.mp4: there is no such file or folder"),
    (("predict", "films/one.mp4", "--run", "nope"), "nope does not exist"),
    (("predict", "films/one.mp4", "--run", RUN, "--without", "tetx"), "--without tetx"),
    (("predict", "films/one.mp4", "--run", RUN, "--encoder", "huge"), "there is no encoder 'huge'"),
    (("predict", "films/one.mp4", "--run", RUN, "--out", "films/clips.csv"), "give another name"),
    (("train", *CACHED, "--settings", "lr", "--set", "lr_rest=1"), "--set does not change"),
    (("sweep", "--settings", "--preset=tuned"), "--preset does not change"),
    (("ablate", "--settings", "--set", "lr_rest=1"), "--set does not change"),
    (("export", "nope", "model"), "nope does not exist"),
    (("export", "--run", "nope", "model"), "nope does not exist"),
    (("export", RUN), "expected one run and the folder to make"),
    (("report", "--run", "nope"), "nope does not exist"),
    (("report", RUN, "--run", "nope"), "give one of them"),
    (("inspect", "--dataset", "plantd", "--cache", "planted-cache"), "did you mean planted?"),
    (("verify", "planted", "--dataset", "other", "--cache", "planted-cache"), "give one of them"),
]
# One process for all cases: each line of its output is what one of them loaded, and its message.
MAIN = """
import contextlib, io, json, sys
from semanticmac import cli

for words in json.loads(sys.argv[1]):
    before = set(sys.modules)
    sys.argv = ["semanticmac", *words]
    message = io.StringIO()
    with contextlib.redirect_stderr(message):
        try:
            cli.main()
        except SystemExit as exit_:
            assert exit_.code == 2, (words, exit_.code, message.getvalue())
    heavy = {"torch", "transformers", "lmdb", "matplotlib"} & (set(sys.modules) - before)
    print(json.dumps([sorted(heavy), message.getvalue()]))
"""


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, ...], tuple[list[str], str]]:
    """Command line → the heavy libraries that it loaded, and its message as one line."""
    lines = [words for words, _ in CASES]
    done = subprocess.run(
        [sys.executable, "-c", MAIN, json.dumps(lines)],
        cwd=DATA,
        env=os.environ | {"COLUMNS": "300", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = {}
    for words, line in zip(lines, done.stdout.splitlines(), strict=True):
        heavy, message = json.loads(line)
        found[words] = heavy, " ".join(message.split())
    return found


@pytest.mark.parametrize(("words", "message"), CASES)
def test_a_typo_is_refused_before_a_heavy_library_is_imported(words, message, answers):
    heavy, answer = answers[words]
    assert message in answer
    assert heavy == []


def test_a_build_on_the_cpu_imports_no_transformers():
    code = (
        "import sys\n"
        "from semanticmac.commands.cache import _require_device\n"
        "import semanticmac.preprocess.build, semanticmac.preprocess.encoders.imagebind.encoder\n"
        "_require_device('cpu')\n"
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
