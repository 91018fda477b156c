"""The checks of benchmarks/gpu_checks.py on a GPU. docs/gpu.md lists them."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]


def load(name: str) -> ModuleType:
    """A module of benchmarks/, from any working directory."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


checks = load("gpu_checks")


@pytest.mark.gpu
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_on_a_gpu(check: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    try:
        check.run(torch.device("cuda"))
    except checks.NotHere as reason:
        pytest.skip(str(reason))


def run_script(folder: Path, *options: str) -> dict[str, Any]:
    """All sections on a CPU with small shapes, as far as `options` go → gpu.json."""
    out = folder / "gpu.json"
    command = [sys.executable, str(ROOT / "benchmarks/gpu.py"), "--device", "cpu", "--tiny"]
    done = subprocess.run(
        [*command, "--out", str(out), *options],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Small shapes: these figures only show that the script runs." in done.stdout
    results: dict[str, Any] = json.loads(out.read_text())
    return results


def test_every_section_runs_and_one_that_lacks_a_package_says_so(tmp_path: Path) -> None:
    (tmp_path / "peft.py").write_text("raise ImportError(\"No module named 'peft'\")")
    page = tmp_path / "gpu.md"
    results = run_script(tmp_path, "--minutes", "20", "--page", str(page))
    sections = results["sections"]
    statuses = {name: (result["status"], result["reason"]) for name, result in sections.items()}
    assert statuses.pop("llm") == ("skipped", "No module named 'peft'")
    assert statuses == dict.fromkeys(
        ("checks", "encoder", "step", "neighbours", "ablation"), ("done", "")
    )
    outcomes = {figure["name"]: figure["value"] for figure in sections["checks"]["figures"]}
    assert outcomes.pop("waits_of_a_step") == "skipped"
    assert outcomes and set(outcomes.values()) == {"passed"}
    text = page.read_text()
    assert "Measured on: CPU with" in text and "Small shapes" in text
    assert "Skipped: No module named 'peft'" in text

    # The same command again does only what is not done.
    (tmp_path / "peft.py").unlink()
    again = run_script(tmp_path)["sections"]
    assert again.pop("llm")["status"] == "done"
    for name, result in again.items():
        assert result == sections[name]


def test_the_page_names_every_check() -> None:
    text = (ROOT / "docs/gpu.md").read_text(encoding="utf-8")
    for check in checks.CHECKS:
        assert f"| `{check.name}` | {check.shows} |" in text
