"""The architecture holds: who imports whom, what the root contains, how modules are found."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Package → the packages of ours that it may import (docs/architecture.md). There are no other
# arrows and no cycles, and nothing imports cli.
ARROWS = {
    "core": set(),
    "hub": set(),
    "cache": {"core"},
    "model": {"core", "hub"},
    "run": {"core", "hub", "cache", "model"},
    "preprocess": {"core", "hub", "cache"},
    "eval": {"core", "cache", "model", "run"},
    "train": {"core", "cache", "model", "run", "eval"},
    "inference": {"core", "cache", "model", "run", "eval", "preprocess"},
    "timeline": {"core", "cache", "run", "eval", "preprocess", "inference"},
    "serve": {"core", "cache", "run", "eval", "preprocess", "inference", "timeline"},
    "errors": {"cache", "hub", "model", "run", "preprocess", "train", "eval", "inference", "serve"},
    "api": {"core", "cache", "model", "run", "train", "eval"},
    "commands": {
        "core",
        "hub",
        "cache",
        "model",
        "run",
        "preprocess",
        "train",
        "eval",
        "inference",
        "timeline",
        "serve",
    },
    "cli": {"commands"},
}


def imports_of(source: str) -> set[str]:
    """The packages of ours that a file imports, at its top or inside a function."""
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide arrows"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        imported |= {name.split(".")[1] for name in names if name.startswith("semanticmac.")}
    return imported & set(ARROWS)


def files_of(name: str) -> list[Path]:
    """The files of a package, or the one file of a module at the root."""
    module = ROOT / f"{name}.py"
    return [module] if module.exists() else sorted((ROOT / name).rglob("*.py"))


def run_python(
    code: str, folder: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs code in a new interpreter whose first search path is `folder`."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ARROWS)
def test_a_package_imports_only_where_an_arrow_leads(name):
    assert files_of(name)
    for file in files_of(name):
        strays = imports_of(file.read_text()) - ARROWS[name] - {name}
        path = file.relative_to(ROOT)
        assert not strays, f"{path} imports {sorted(strays)}: no arrow leads from {name} there"


def test_the_arrow_test_sees_every_kind_of_import():
    assert imports_of("import semanticmac.train.loop") == {"train"}
    assert imports_of("def f():\n    from semanticmac.model.config import ModelConfig") == {"model"}
    assert imports_of("from semanticmac import cache, train") == {"cache", "train"}
    assert imports_of("import torch") == set()


def test_pyproject_lists_every_package_and_no_other():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = set(project["tool"]["setuptools"]["packages"])

    packages = {"semanticmac"}
    for name in ARROWS:
        for file in files_of(name):
            folders = file.parent.relative_to(ROOT).parts
            packages.add(".".join(["semanticmac", *folders]))
            assert (file.parent / "__init__.py").exists(), f"{file.parent} has no __init__.py"
    assert listed == packages


def test_the_root_has_no_other_module():
    modules = {file.stem for file in ROOT.glob("*.py")} - {"__init__"}
    assert modules == {name for name in ARROWS if not (ROOT / name).is_dir()}


def test_no_file_is_named_like_a_library_that_it_imports():
    for name in ARROWS:
        for file in files_of(name):
            libraries = set()
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    libraries |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    libraries.add(node.module.split(".")[0])
            assert file.stem not in libraries | {"semanticmac"}, file.relative_to(ROOT)


def test_no_link_is_committed():
    tracked = subprocess.run(
        ["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert not [line for line in tracked.splitlines() if line.startswith("120000")]


@pytest.mark.parametrize("name", sorted(name for name in ARROWS if (ROOT / name).is_dir()))
def test_a_package_is_not_imported_by_another_name(name):
    done = run_python(f"import {name}")
    assert done.returncode == 1
    assert f"import it as semanticmac.{name}" in done.stderr.splitlines()[-1]


LOAD_EVERYTHING = """
import collections, importlib, pkgutil, sys
import semanticmac
for module in pkgutil.walk_packages(semanticmac.__path__, "semanticmac."):
    if module.name.split(".")[1] in NAMES:
        importlib.import_module(module.name)
files = collections.Counter()
for name, module in sys.modules.items():
    if name != "__main__" and "semanticmac" in str(getattr(module, "__file__", "")):
        files[module.__file__] += 1
print([file for file, count in files.items() if count > 1])
"""


def test_no_module_is_loaded_twice():
    """Every module of the package, imported from the root: no file stands behind two names."""
    code = LOAD_EVERYTHING.replace("NAMES", repr(set(ARROWS)))
    done = run_python(code)
    assert done.stdout.strip() == "[]", done.stderr


def test_editors_find_every_import(tmp_path):
    """pyright resolves every import with the settings in pyproject.toml, as an editor does."""
    if not (ROOT / ".venv" / "src" / "semanticmac").exists():
        pytest.skip("`make setup` was not run: it makes the link that editors follow")
    pyright = Path(sys.executable).with_name("pyright")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [pyright, "--outputjson"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] > 250
    assert [problem["message"] for problem in report["generalDiagnostics"]] == []


HEAVY = {"torch", "transformers", "numpy", "pyarrow", "lmdb", "decord", "PIL", "matplotlib"}
HEAVY |= {"sklearn", "scipy", "jinja2", "av", "pydantic", "fastapi", "uvicorn"}


def loaded_libraries(module: str, libraries: set[str]) -> str:
    """Which of the libraries an import of the module loads, as a printed list."""
    code = f"import sys, {module}; print(sorted({libraries} & set(sys.modules)))"
    return run_python(code).stdout.strip()


@pytest.mark.parametrize("module", ["semanticmac", "semanticmac.cli"])
def test_the_package_and_help_load_no_heavy_library(module):
    assert loaded_libraries(module, HEAVY) == "[]"


@pytest.mark.parametrize(
    "module", ["commands.ui.runs", "run.listing", "commands.ui.cache", "commands.ui.failures"]
)
def test_listing_runs_and_inspecting_a_cache_load_no_torch(module):
    heavy = {"torch", "transformers", "lmdb"}
    assert loaded_libraries(f"semanticmac.{module}", heavy) == "[]"
