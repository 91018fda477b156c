"""The checks of benchmarks/gpu_checks.py on a GPU. docs/gpu.md lists them."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]


# Any working directory will do.
sys.path.append(str(ROOT))
checks = importlib.import_module("benchmarks.gpu_checks")
timing = importlib.import_module("benchmarks.gpu_timing")
gpu = importlib.import_module("benchmarks.gpu")


@pytest.mark.gpu
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_on_a_gpu(check: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    try:
        check.run(torch.device("cuda"))
    except checks.NotHere as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_a_check_runs_on_a_cpu(check: Any) -> None:
    try:
        check.run(torch.device("cpu"))
    except checks.NotHere as reason:
        assert check.name == "waits_of_a_step" and "only a GPU" in str(reason)


@pytest.mark.parametrize("name", [name for name in gpu.SECTIONS if name != "checks"])
def test_a_section_runs_on_a_cpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
    figures: dict[str, float | None] = {}

    def record(name: str, value: float | None, *more: str, **words: str) -> None:
        assert name not in figures
        figures[name] = value

    gpu.load_section(name)(torch.device("cpu"), True, record)
    measured = [value for value in figures.values() if value is not None]
    assert measured and all(value > 0 for value in measured)


def test_every_check_runs_also_after_one_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(device: torch.device) -> None:
        raise checks.NotHere("no compiler")

    def fails(device: torch.device) -> None:
        raise AssertionError("vision: 0.2\nmore lines")

    def passes(device: torch.device) -> None:
        assert device.type == "cpu"

    listed = [checks.Check(run.__name__, "", run) for run in (lacks, fails, passes)]
    monkeypatch.setattr(checks, "CHECKS", listed)
    figures: list[tuple[str, str, str]] = []

    def record(name: str, value: str, note: str = "") -> None:
        figures.append((name, value, note))

    checks.run_checks(torch.device("cpu"), True, record)
    assert figures == [
        ("lacks", "skipped", "no compiler"),
        ("fails", "failed", "AssertionError: vision: 0.2"),
        ("passes", "passed", ""),
    ]


WITHOUT_OTHER_PACKAGES = """
import re, sys, tomllib
for line in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]:
    name = re.match(r"[\\w-]+", line)[0].replace("-", "_")
    name = {"pillow": "PIL", "scikit_learn": "sklearn", "ffmpeg_python": "ffmpeg"}.get(name, name)
    # transformers needs the last three.
    if name not in ("torch", "transformers", "numpy", "safetensors", "typer", "rich"):
        sys.modules[name] = None  # Its import raises ImportError.
import torch
from benchmarks import gpu, gpu_checks
for name in ("encoder", "step", "neighbours", "ablation"):
    gpu.load_section(name)(torch.device("cpu"), True, lambda *args, **words: None)
assert sys.modules["pyarrow"] is None and sys.modules["av"] is None
print(len(gpu_checks.CHECKS))
"""


def test_sections_and_checks_need_only_torch_transformers_and_numpy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_OTHER_PACKAGES],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(checks.CHECKS)


def test_the_time_of_kernels_leaves_out_the_cpu_and_annotations() -> None:
    from torch.autograd import DeviceType

    gpu_kind, cpu_kind = DeviceType(DeviceType.CUDA.value), DeviceType(DeviceType.CPU.value)
    assert gpu_kind is not DeviceType.CUDA  # As in a profile.
    events = []
    for kind, annotation, spent_us in (
        (gpu_kind, False, 2_000_000.0),
        (gpu_kind, True, 16.0),
        (cpu_kind, False, 32.0),
        (gpu_kind, False, 1_000_000.0),
    ):
        event = SimpleNamespace(device_type=kind, is_user_annotation=annotation)
        event.self_device_time_total = spent_us
        events.append(event)
    assert timing.kernel_seconds(events) == 3.0


def run_script(folder: Path, *options: str) -> dict[str, Any]:
    """The script on a CPU with small shapes → gpu.json."""
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


def test_a_section_that_lacks_a_package_says_so_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "peft.py").write_text("raise ImportError(\"No module named 'peft'\")")
    page = tmp_path / "gpu.md"
    only = ("--only", "neighbours,llm", "--minutes", "20")
    first = run_script(tmp_path, *only, "--page", str(page))["sections"]
    lacking = ("skipped", "No module named 'peft'")
    assert (first["llm"]["status"], first["llm"]["reason"]) == lacking
    assert (first["neighbours"]["status"], first["neighbours"]["reason"]) == ("done", "")
    text = page.read_text()
    assert "Measured on: CPU with" in text and "Small shapes" in text
    assert "Skipped: No module named 'peft'" in text

    # The same command again does only what is not done.
    (tmp_path / "peft.py").write_text("raise ImportError(\"No module named 'accelerate'\")")
    again = run_script(tmp_path, *only)["sections"]
    assert again["llm"]["reason"] == "No module named 'accelerate'"
    assert again["neighbours"] == first["neighbours"]


SECTION = """#!/bin/sh
# gpu.py --section NAME --device cpu --out FILE
echo '{"status": "running", "reason": "", "figures": [{"name": "early"}]}' > "$7"
"""


def outcomes_of(folder: Path, monkeypatch: pytest.MonkeyPatch, end: str, seconds: float) -> list:
    """The results of a section whose process writes one figure and then runs `end`."""
    program = folder / "section.sh"
    program.write_text(SECTION + end)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(gpu, "WRITE_EVERY_S", 0.2)
    options = argparse.Namespace(device="cpu", tiny=False)
    return list(gpu.run_in_process("step", seconds, options, dict(os.environ)))


def test_figures_are_known_while_a_section_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is taken away then leaves them in the JSON file."""
    outcomes = outcomes_of(tmp_path, monkeypatch, "exec sleep 60", 3.0)
    assert len(outcomes) > 2
    for outcome in outcomes[-2:]:
        assert outcome["status"] == "failed" and outcome["figures"] == [{"name": "early"}]
    assert [outcome["reason"] for outcome in outcomes[-2:]] == [
        "the command was stopped here",
        "it was stopped after 3 s",
    ]


def test_a_crash_is_told_with_its_message_though_a_child_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child keeps the output open. The section has ended nevertheless."""
    end = "sleep 5 &\necho 'CUDA error: an illegal memory access' >&2; exit 1"
    *_, last = outcomes_of(tmp_path, monkeypatch, end, 60.0)
    assert last["status"] == "failed" and last["figures"] == [{"name": "early"}]
    assert last["reason"] == "CUDA error: an illegal memory access" and last["seconds"] < 4


def test_the_page_names_every_check() -> None:
    text = (ROOT / "docs/gpu.md").read_text(encoding="utf-8")
    for check in checks.CHECKS:
        assert f"| `{check.name}` | {check.shows} |" in text
