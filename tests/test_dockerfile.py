"""The Dockerfile builds what the repository has, by the commands of the README."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from semanticmac.cli import app

ROOT = Path(__file__).parents[1]
KNOWN = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER",
    "WORKDIR",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """(instruction, its words) of the Dockerfile, with continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, words = line.strip().partition(" ")
            found.append((name, words.strip()))
    return found


def of(kind: str) -> list[str]:
    return [words for name, words in instructions() if name == kind]


def sources() -> list[str]:
    return [source for words in of("COPY") for source in shlex.split(words)[:-1]]


def test_every_instruction_is_known_and_the_base_is_an_argument():
    names = [name for name, _ in instructions()]
    assert set(names) <= KNOWN
    assert names[:2] == ["ARG", "FROM"] and of("FROM") == ["${BASE}"]
    assert of("ARG")[0].startswith("BASE=ubuntu")


def test_every_copied_file_exists_and_no_package_is_left_out():
    for source in sources():
        assert (ROOT / source).exists(), source
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {
        name.split(".")[1] for name in project["tool"]["setuptools"]["packages"] if "." in name
    }
    assert packages == {source.rstrip("/") for source in sources() if source.endswith("/")}
    modules = {file.name for file in ROOT.glob("*.py")}
    assert modules <= set(sources())


def test_what_is_copied_is_in_the_context_and_no_data_is():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "**"
    allowed = [line.removeprefix("!") for line in patterns if line.startswith("!")]
    for source in sources():
        probe = f"{source}x.py" if source.endswith("/") else source
        assert any(fnmatch.fnmatch(probe, pattern) for pattern in allowed), source
    for private in ("data/cache/frames/data.mdb", "runs/one/run.json", "shared/data/a.mp4"):
        assert not any(fnmatch.fnmatch(private, pattern) for pattern in allowed)


def test_the_installation_is_that_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    installing = [words for words in of("RUN") if ".venv" in words]
    assert len(installing) == 2
    for words in installing:
        assert words in readme
    # Each chain of commands stops at the first that fails, and asks nothing.
    for words in of("RUN"):
        assert ";" not in words and "sudo" not in words
        if "apt-get install" in words:
            assert "--yes" in words and "rm -rf /var/lib/apt/lists/*" in words


def test_pip_finds_the_set_of_packages_consistent():
    """The pip command of the Dockerfile, without a network: the tools of this venv satisfy it."""
    [install] = [words for words in of("RUN") if "pip install" in words]
    words = shlex.split(install)[3:]
    assert words[0] == "install"
    offline = [
        "--dry-run",
        "--no-index",
        "--no-build-isolation",
        "--quiet",
        "--disable-pip-version-check",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, *offline], cwd=ROOT, capture_output=True, text=True
    )
    if "No module named pip" in done.stderr or "setuptools" in done.stderr:
        pytest.skip(f"this environment cannot build: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def test_the_command_exists_and_no_administrator_runs_it():
    [entry], [command] = of("ENTRYPOINT"), of("CMD")
    assert json.loads(entry) == ["semanticmac"]
    name, *options = json.loads(command)
    parameters = typer.main.get_command(app).commands[name].params
    known = {option for parameter in parameters for option in parameter.opts}
    assert {word for word in options if word.startswith("--")} <= known
    assert of("USER") == ["semanticmac"] and of("EXPOSE") == ["8000"]
    assert re.search(r"127\.0\.0\.1:8000/health", of("HEALTHCHECK")[0])
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")


def test_no_secret_stands_in_the_image():
    for kind in ("ENV", "ARG", "RUN"):
        for words in of(kind):
            assert not re.search(r"token|password|secret", words, re.IGNORECASE)
