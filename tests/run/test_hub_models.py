"""push and load("user/repo") against a hub of the test; without a network; hostile repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from support.fake_hub import FakeHub, fake_hub

from semanticmac.run.checksums import SUMS, check_checksums, write_checksums
from semanticmac.run.export import export_run
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.hub_models import find_model

LOAD = """
import sys, torch
from semanticmac.run.folder import RunError
from semanticmac.run.hub_models import find_model
from semanticmac.run.weights import load_run
try:
    folder = find_model(sys.argv[1])
    print("loaded", load_run(folder, torch.device("cpu")).info.dataset, folder)
except RunError as error:
    print("refused", error)
"""


@pytest.fixture(scope="module")
def exported(walks, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "model"
    export_run(walks["regression"].run, folder, "mit")
    return folder


@pytest.fixture
def hub():
    with fake_hub() as running:
        yield running


def run_python(hub_url: str, home: Path, *words: object, offline: bool = False) -> str:
    """Runs Python with this hub; returns both outputs."""
    environment = {**os.environ, "HF_ENDPOINT": hub_url, "HF_HOME": str(home), "HF_TOKEN": "hf_x"}
    environment |= {"HF_HUB_OFFLINE": "1" if offline else "0", "COLUMNS": "1000"}
    environment |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment
    )
    return done.stdout + done.stderr


def stored(hub: FakeHub, folder: Path, name: str = "user/model") -> None:
    """Puts the files of a folder into the hub, as anybody could."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    hub.repositories[name] = contents


def test_a_pushed_model_is_loaded_by_its_name(hub, exported, tmp_path):
    push = ("-m", "semanticmac.cli", "push-model", exported, "user/model", "--private")
    answer = run_python(hub.url, tmp_path, *push)
    assert f"{hub.url}/user/model" in answer, answer
    assert hub.private["user/model"]
    files = [path for path in exported.rglob("*") if path.is_file()]
    sent = {path.relative_to(exported).as_posix(): path.read_bytes() for path in files}
    assert hub.repositories["user/model"] == sent

    answer = run_python(hub.url, tmp_path, "-c", LOAD, "user/model")
    assert "loaded planted" in answer, answer
    # The second time it comes from the hub's own cache; nothing is asked.
    hub.asked.clear()
    assert "loaded planted" in run_python(hub.url, tmp_path, "-c", LOAD, "user/model", offline=True)
    assert hub.asked == []


def test_without_a_network_the_reason_is_said(exported, tmp_path):
    nowhere = "http://127.0.0.1:9"
    answer = run_python(nowhere, tmp_path, "-c", LOAD, "user/other")
    assert "refused the model 'user/other' is not on this machine" in answer
    assert "127.0.0.1 cannot be reached" in answer
    answer = run_python(
        nowhere, tmp_path, "-m", "semanticmac.cli", "push-model", exported, "user/model"
    )
    assert "the hub cannot be asked: 127.0.0.1 cannot be reached" in answer
    with pytest.raises(RunError, match="HF_HUB_OFFLINE forbids a download"):
        find_model("user/never-loaded")


def test_nothing_of_a_repository_is_run(hub, exported, tmp_path):
    """Code, pickles and files that the export did not write are not even downloaded."""
    stored(hub, exported)
    files = hub.repositories["user/model"]
    trap = f"import pathlib; pathlib.Path({str(tmp_path / 'trap')!r}).touch()"
    files |= {"modeling.py": trap.encode(), "language/tokenizer.py": trap.encode()}
    files |= {"pytorch_model.bin": b"\x80\x04.", "setup.py": trap.encode()}
    assert "loaded planted" in run_python(hub.url, tmp_path / "a", "-c", LOAD, "user/model")
    assert not (tmp_path / "trap").exists()
    assert {name for name in hub.downloads if name.endswith((".py", ".bin"))} == set()

    files["language/extra.json"] = b"{}"
    answer = run_python(hub.url, tmp_path / "b", "-c", LOAD, "user/model")
    assert "refused" in answer and "language/extra.json is not listed" in answer
    del files["language/extra.json"]
    files["model.safetensors"] += b"x"
    answer = run_python(hub.url, tmp_path / "c", "-c", LOAD, "user/model")
    assert "refused" in answer and "model.safetensors has changed" in answer


def test_other_repositories_are_refused(hub, exported, tmp_path):
    hub.repositories["user/other"] = {"README.md": b"a film"}
    answer = run_python(hub.url, tmp_path, "-c", LOAD, "user/other")
    assert "holds no model of this program: it has no run.json" in answer, answer
    answer = run_python(hub.url, tmp_path, "-c", LOAD, "user/none")
    assert "refused the model 'user/none' cannot be downloaded" in answer, answer


def test_a_model_that_names_folders_of_another_machine_is_refused(hub, walks, exported, tmp_path):
    folder = tmp_path / "copy"
    export_run(walks["regression"].run, folder)
    info = RunInfo.read(folder)
    vision = tuple(replace(stream, spec="clip:/etc") for stream in info.streams.vision)
    replace(info, streams=replace(info.streams, vision=vision)).write(folder)
    write_checksums(folder)
    stored(hub, folder)
    answer = run_python(hub.url, tmp_path, "-c", LOAD, "user/model")
    assert "refused" in answer and "names folders of the machine" in answer


def test_the_card_has_a_head_that_the_hub_reads(exported):
    from huggingface_hub import ModelCard

    text = (exported / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["license"] == "mit" and head["library_name"] == "semanticmac"
    assert {"text", "audio", "vision", "planted"} <= set(head["tags"])
    card = ModelCard(text)
    assert card.data.pipeline_tag == "video-classification"


def test_names_cannot_break_out_of_the_head(walks, tmp_path):
    from semanticmac.run.card_head import card_head

    info = replace(RunInfo.read(walks["regression"].run), corpus='x"\n---\nlicense: apache-2.0\n#')
    lines = card_head(info, None, None)
    head = yaml.safe_load("\n".join(lines).split("---\n")[1])
    assert "license" not in head and "x-license-apache-2.0" in head["tags"]


def test_checksums_name_what_differs(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "model")
    check_checksums(folder)
    done = subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=folder)
    assert done.returncode == 0
    (folder / "extra").write_text("x")
    (folder / "config.toml").unlink()
    (folder / "README.md").write_text("x")
    with pytest.raises(RunError) as error:
        check_checksums(folder)
    for part in ("config.toml is missing", "README.md has changed", "extra is not listed"):
        assert part in str(error.value)
    (folder / SUMS).unlink()
    with pytest.raises(RunError, match="has no SHA256SUMS"):
        check_checksums(folder)


@pytest.mark.parametrize(
    "name", ["runs/mosi-001", "/a/b", "./user/repo", "a/b/c", "model", "a b/c"]
)
def test_a_path_is_no_repository(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert find_model(name) == Path(name)
