"""The house keeps its walls: who imports whom, what the root holds, and what `--help` may load."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# folder → the folders of ours that it may import (docs/architecture.md). No other arrow, no circle,
# nobody sees cli.
ARROWS = {
    "core": set(),
    "cache": {"core"},
    "model": {"core"},
    "run": {"core", "cache", "model", "eval"},
    "preprocess": {"core", "cache"},
    "eval": {"core", "cache", "model", "run"},
    "train": {"core", "cache", "model", "run", "eval"},
    "inference": {"core", "cache", "model", "run", "eval", "preprocess"},
    "commands": {"core", "cache", "model", "run", "preprocess", "train", "eval", "inference"},
    "cli": {"commands"},
}


def imports_of(source: str) -> set[str]:
    """The folders of ours that a file imports, wherever in the file the import stands."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide arrows"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("semanticmac.")}
    return found & set(ARROWS)


def files_of(folder: str) -> list[Path]:
    single = ROOT / f"{folder}.py"
    return [single] if single.exists() else sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("folder", ARROWS)
def test_a_folder_imports_only_where_an_arrow_leads(folder):
    assert files_of(folder)
    for file in files_of(folder):
        strays = imports_of(file.read_text()) - ARROWS[folder] - {folder}
        assert not strays, (
            f"{file.relative_to(ROOT)} imports {sorted(strays)}: no arrow leads from {folder} there"
        )


def test_the_arrow_test_sees_every_kind_of_import():
    assert imports_of("import semanticmac.train.loop") == {"train"}
    assert imports_of("def f():\n    from semanticmac.model.config import ModelConfig") == {"model"}
    assert imports_of("from semanticmac import cache, train") == {"cache", "train"}
    assert imports_of("import torch") == set()


def test_every_folder_is_listed_as_a_package_and_nothing_else_is():
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    folders = {
        file.parent for name in ARROWS if (ROOT / name).is_dir() for file in files_of(name)
    } | {ROOT}
    assert listed == {
        ".".join(["semanticmac", *folder.relative_to(ROOT).parts]) for folder in folders
    }
    for folder in folders - {ROOT}:
        assert (folder / "__init__.py").exists(), (
            f"{folder} is listed as a package and has no __init__.py"
        )


def test_the_root_ships_no_other_module():
    assert {file.name for file in ROOT.glob("*.py")} == {
        "__init__.py",
        "cli.py",
        "core.py",
        "inference.py",
    }


def test_help_loads_no_heavy_library():
    heavy = {
        "torch",
        "transformers",
        "numpy",
        "pyarrow",
        "lmdb",
        "decord",
        "PIL",
        "matplotlib",
        "sklearn",
        "jinja2",
    }
    code = f"import sys, semanticmac.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["commands.ui.runs", "run.listing", "commands.ui.tables"])
def test_listing_runs_and_inspecting_a_cache_load_no_torch(module):
    code = f"import sys, semanticmac.{module}; print(sorted({{'torch', 'transformers', 'lmdb'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
