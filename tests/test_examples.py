"""Every example runs from start to end, with few clips and epochs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def code_cells(notebook: Path) -> str:
    """The code cells of a notebook as one program, with small numbers of clips and epochs."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code, replaced = re.subn(r"^CLIPS = \d+", "CLIPS = 32", code, flags=re.MULTILINE)
    assert replaced == 1
    code, replaced = re.subn(r"^EPOCHS = \d+", "EPOCHS = 1", code, flags=re.MULTILINE)
    assert replaced == 1
    return code


def run_python(folder: Path, *arguments: str, path: Path | None = None) -> str:
    """path: a folder in which Python finds more packages."""
    environment = os.environ | {"MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1"}
    if path is not None:
        paths = [str(path), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def after_quickstart(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which quickstart.ipynb was run, and what it printed."""
    folder = tmp_path_factory.mktemp("quickstart")
    return folder, run_python(folder, "-c", code_cells(EXAMPLES / "quickstart.ipynb"))


def test_quickstart(after_quickstart: tuple[Path, str]) -> None:
    folder, printed = after_quickstart
    assert (folder / "runs/demo-002/model.safetensors").exists()
    assert re.search(r"^MAE +\d", printed, re.MULTILINE)
    assert re.search(r"^multimodal +[+−-]?\d", printed, re.MULTILINE)


def test_own_videos(tmp_path: Path) -> None:
    printed = run_python(tmp_path, "-c", code_cells(EXAMPLES / "own_videos.ipynb"))
    assert "16 train, 8 valid, 8 test clips" in printed
    assert re.search(r"^multimodal +(happy|sad)", printed, re.MULTILINE)


def test_own_fusion(after_quickstart: tuple[Path, str]) -> None:
    folder, _ = after_quickstart
    printed = run_python(folder, str(EXAMPLES / "own_fusion.py"), "--epochs", "1")
    assert "best epoch 1" in printed and "MAE" in printed


def test_own_encoder(after_quickstart: tuple[Path, str]) -> None:
    folder, _ = after_quickstart
    printed = run_python(folder, str(EXAMPLES / "own_encoder.py"), "--epochs", "1")
    assert "32 of 32 clips are cached, 32 encoded now" in printed and "MAE" in printed


def test_own_encoder_by_its_entry_point(after_quickstart: tuple[Path, str], tmp_path: Path) -> None:
    """The example as a package that pip installed, with the entry points in its docstring."""
    folder, _ = after_quickstart
    source = (EXAMPLES / "own_encoder.py").read_text(encoding="utf-8")
    (tmp_path / "own_encoder.py").write_text(source)
    points = re.findall(r'^    (\w+) = "(own_encoder:\w+)"$', source, re.MULTILINE)
    assert [name for name, _ in points] == ["colour", "loudness"]
    info = tmp_path / "own_encoder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-encoder\nVersion: 1.0\n")
    lines = ["[semanticmac.encoders]", *(f"{name} = {value}" for name, value in points)]
    (info / "entry_points.txt").write_text("\n".join(lines))
    words = ["cache", "demo", "--root", "data/demo", "--cache", str(tmp_path / "cache")]
    words += ["--vision", "colour", "--audio", "loudness", "--workers", "1"]
    printed = run_python(folder, "-m", "semanticmac.cli", *words, path=tmp_path)
    assert "32 of 32 clips are cached (32 decoded, 32 encoded now)" in printed


def test_the_python_block_of_the_readme_runs(after_quickstart: tuple[Path, str]) -> None:
    folder, _ = after_quickstart
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    clip = next((folder / "data/demo").rglob("*.mp4"))
    code = code.replace('"mosi"', '"demo"').replace('"epochs": 10', '"epochs": 1')
    code = code.replace('"clip.mp4"', repr(str(clip)))
    printed = run_python(folder, "-c", code)
    assert "multimodal" in printed


def test_readme_and_the_python_page_show_the_same_block() -> None:
    blocks = []
    for page in ("README.md", "docs/python.md"):
        text = (EXAMPLES.parent / page).read_text(encoding="utf-8")
        blocks.append(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0])
    assert blocks[0] == blocks[1]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_committed_without_large_outputs(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]
    assert len(json.dumps(outputs)) < 100_000
