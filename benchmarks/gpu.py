"""The checks and figures of a GPU, in one command of at most 8 minutes.

    python benchmarks/gpu.py [--minutes 8] [--only encoder,step] [--again] [--wheels FOLDER]
    python benchmarks/gpu.py --device cpu --tiny     # every section on small shapes, without a GPU

It needs Python 3.11 or newer, torch, transformers and numpy, and no installation of this package.
Each section runs in a process of its own and imports only what it needs. A section that lacks a
package is skipped with that reason; `--wheels` names a folder with wheels of such packages. Results
are written to a JSON file while a section runs. The same command goes on with the sections that are
not done, as long as the card, torch and the checkout are the same. At the end a table is printed,
and docs/gpu.md is written on a GPU.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Section → its share of the time.
SECTIONS = {
    "checks": 130.0,
    "encoder": 90.0,
    "step": 80.0,
    "neighbours": 30.0,
    "llm": 80.0,
    "ablation": 60.0,
}
LEAST_S = 10.0  # A section is not started with less time.
PAGE_S = 10.0  # for the page at the end
WRITE_EVERY_S = 2.0  # The figures of a running section are written so often.


def main() -> int:
    options = parse()
    with tempfile.TemporaryDirectory() as name:
        paths = [link_packages(Path(name))]
        if options.wheels:
            paths.append(install_wheels(options.wheels, Path(name) / "wheels"))
        # The folders of the checkout have names that other packages may use too.
        own = {str(ROOT), str(ROOT / "benchmarks"), ""}
        sys.path[:] = [*map(str, paths), *(path for path in sys.path if path not in own)]
        if options.section:
            return run_section(options)
        search_path = [*map(str, paths), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search_path))}
        return run_all(options, environment)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--tiny", action="store_true", help="small shapes, to try the script")
    parser.add_argument("--minutes", type=float, default=8.0, help="of all sections together")
    parser.add_argument("--only", default="", help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--again", action="store_true", help="discard earlier results")
    parser.add_argument("--wheels", type=Path, help="a folder with wheels of missing packages")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), help="the results")
    parser.add_argument("--page", type=Path, help="default: docs/gpu.md, if a GPU was measured")
    parser.add_argument("--section", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.only.split(",") if name and name not in SECTIONS]
    if unknown:
        parser.error(f"--only {options.only}: expected {', '.join(SECTIONS)}")
    return options


def link_packages(folder: Path) -> Path:
    """A folder that makes `semanticmac` and `benchmarks` importable without an installation."""
    (folder / "semanticmac").symlink_to(ROOT)
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")
    return folder


def install_wheels(wheels: Path, target: Path) -> Path:
    files = sorted(map(str, wheels.glob("*.whl")))
    if not files:
        raise SystemExit(f"--wheels {wheels}: there is no .whl file in it")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*command, "--target", str(target), *files], check=True)
    return target


def run_all(options: argparse.Namespace, environment: dict[str, str]) -> int:
    end = time.monotonic() + 60 * options.minutes - PAGE_S
    machine = describe(options.device, environment)
    conditions = {"machine": machine, "tiny": options.tiny, "checkout": checkout()}
    results = {} if options.again else earlier(options.out, conditions)
    names = [name for name in options.only.split(",") if name] or list(SECTIONS)
    to_do = [name for name in names if results.get(name, {}).get("status") != "done"]
    for number, name in enumerate(to_do):
        left = end - time.monotonic()
        if left < LEAST_S:
            results[name] = {"status": "skipped", "reason": "no time was left", "figures": []}
            continue
        later = sum(SECTIONS[following] for following in to_do[number + 1 :])
        # Time that earlier sections did not need is shared by the later ones.
        share = left * SECTIONS[name] / (SECTIONS[name] + later)
        print(f"{name}: at most {share:.0f} s", file=sys.stderr)
        for result in run_in_process(name, share, options, environment):
            results[name] = result
            write_results(options.out, conditions, results)
    write_results(options.out, conditions, results)

    from benchmarks.gpu_page import page, table

    print(table(conditions, results))
    page_path = options.page
    if page_path is None and machine["device"] != "cpu" and not options.tiny:
        page_path = ROOT / "docs/gpu.md"
    if page_path is not None:
        page_path.write_text(page(conditions, results), encoding="utf-8")
    failed = [name for name in names if results[name]["status"] == "failed"]
    return 1 if failed else 0


def run_in_process(
    name: str, seconds: float, options: argparse.Namespace, environment: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """The figures of a section as far as they are; at last those of its end, stop or crash."""
    with tempfile.TemporaryDirectory() as folder:
        file, messages = Path(folder) / "section.json", Path(folder) / "messages.txt"
        command = [sys.executable, str(Path(__file__).resolve()), "--section", name]
        command += ["--device", options.device, "--out", str(file)]
        if options.tiny:
            command.append("--tiny")
        started = time.monotonic()

        def result(reason: str) -> dict[str, Any]:
            """A section that has not ended by itself counts as failed."""
            state: dict[str, Any] = {"status": "failed", "reason": reason, "figures": []}
            if file.exists():
                written = json.loads(file.read_text())
                if written["status"] == "running":
                    written |= {"status": "failed", "reason": reason}
                state |= written
            return state | {"seconds": round(time.monotonic() - started, 1)}

        # A file, not a pipe: processes that torch starts may keep a pipe open.
        with messages.open("wb") as sink:
            process = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
            try:
                while process.poll() is None and time.monotonic() - started < seconds:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(min(WRITE_EVERY_S, seconds))
                    yield result("the command was stopped here")
                ended = process.poll() is not None
            finally:
                process.kill()
                process.wait()
        if ended:
            reason = messages.read_text(errors="replace").strip()[-2000:]
        else:
            reason = f"it was stopped after {seconds:.0f} s"
        yield result(reason)


def run_section(options: argparse.Namespace) -> int:
    """Runs one section in this process. Its figures are in the file while it runs."""
    figures: list[dict[str, Any]] = []

    def write(status: str, reason: str = "") -> None:
        text = json.dumps({"status": status, "reason": reason, "figures": figures})
        write_whole(options.out, text)

    def record(name: str, value: object, unit: str = "", goal: str = "", note: str = "") -> None:
        figures.append({"name": name, "value": value, "unit": unit, "goal": goal, "note": note})
        write("running")

    write("running")
    try:
        import torch

        device = torch.device(options.device)
        if device.type == "cuda":
            if not torch.cuda.is_available():
                raise SystemExit(f"--device {options.device}: torch sees no GPU here")
            torch.cuda.set_device(device)
        run = load_section(options.section)
        run(device, options.tiny, record)
    except ImportError as error:
        write("skipped", f"{error}")
        return 0
    failed = [str(entry["name"]) for entry in figures if entry["value"] == "failed"]
    write("failed" if failed else "done", ", ".join(failed))
    return 0


def load_section(name: str) -> Any:
    if name == "checks":
        from benchmarks.gpu_checks import run_checks

        return run_checks
    if name == "encoder":
        from benchmarks.gpu_encoder import encoder

        return encoder
    from benchmarks import gpu_training

    return getattr(gpu_training, name)


def describe(device: str, environment: dict[str, str]) -> dict[str, Any]:
    """The card and the versions, asked for in another process: this one uses no GPU."""
    code = (
        "import json, sys, torch, transformers, numpy\n"
        "device = torch.device(sys.argv[1])\n"
        "if device.type == 'cuda' and not torch.cuda.is_available():\n"
        "    raise SystemExit(f'--device {device}: torch sees no GPU here')\n"
        "card, memory = 'cpu', 0\n"
        "if device.type == 'cuda':\n"
        "    card = torch.cuda.get_device_name(device)\n"
        "    memory = torch.cuda.get_device_properties(device).total_memory\n"
        "print(json.dumps({'device': card, 'memory_gib': round(memory / 2**30),\n"
        "    'torch': torch.__version__, 'cuda': torch.version.cuda,\n"
        "    'transformers': transformers.__version__, 'numpy': numpy.__version__}))\n"
    )
    command = [sys.executable, "-c", code, device]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit((done.stderr.strip().splitlines() or ["torch could not be imported"])[-1])
    machine: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return machine | {"python": platform.python_version(), "cores": len(os.sched_getaffinity(0))}


def checkout() -> str:
    """The commit, if git is there; results of another one are not mixed with these."""
    try:
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def earlier(path: Path, conditions: dict[str, Any]) -> dict[str, Any]:
    """The results of earlier runs under the same conditions."""
    if not path.exists():
        return {}
    saved = json.loads(path.read_text())
    sections: dict[str, Any] = saved.pop("sections")
    if saved == conditions:
        return sections
    print(f"{path} is of another card, version or checkout: it is replaced", file=sys.stderr)
    return {}


def write_results(path: Path, conditions: dict[str, Any], results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps({**conditions, "sections": results}, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """A reader, or a stop at any time, never sees half of a file."""
    aside = path.with_name(path.name + ".partial")
    aside.write_text(text)
    aside.replace(path)


if __name__ == "__main__":
    sys.exit(main())
