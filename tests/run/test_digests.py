"""A run folder that was changed after training is refused; a copy predicts the same."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from support.planted import CPU

from semanticmac.eval.eval_data import EvalData
from semanticmac.run.digests import changed_files, digest_files
from semanticmac.run.export import export_run
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.weights import load_run


@pytest.fixture(scope="module")
def run(walks) -> Path:
    return walks["regression"].run


def predictions(walks, run: Path) -> torch.Tensor:
    data = EvalData.open(load_run(run, CPU), walks["regression"].layout, CPU)
    return torch.as_tensor(data.predict(data.rows("test")).outputs)


def files_read(run: Path) -> list[str]:
    """Every file that prediction reads, relative to the run folder."""
    return ["run.json", *digest_files(run)]


def delete(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip(path: Path, position: float) -> None:
    content = bytearray(path.read_bytes())
    content[int(position * (len(content) - 1))] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "delete": delete,
    "cut": cut,
    "flip the first bit": lambda path: flip(path, 0.0),
    "flip a bit": lambda path: flip(path, 0.4),
    "flip the last bit": lambda path: flip(path, 1.0),
    "empty": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_changed_file_is_refused(run, tmp_path, damage):
    names = files_read(run)
    assert len(names) >= 5  # run.json, weights, configuration and tokenizer
    for name in names:
        copy = tmp_path / name.replace("/", "-") / "run"
        shutil.copytree(run, copy)
        DAMAGES[damage](copy / name)
        with pytest.raises(RunError):
            load_run(copy, CPU)


def test_an_added_tokenizer_file_is_refused_and_named(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/language/added_tokens.json").write_text('{"good": 3}')
    with pytest.raises(RunError, match=r"added: language/added_tokens\.json"):
        load_run(tmp_path / "run", CPU)


def test_an_export_is_checked_too(run, tmp_path):
    export_run(run, tmp_path / "export")
    load_run(tmp_path / "export", CPU)
    flip(tmp_path / "export/language/tokenizer.json", 0.5)
    with pytest.raises(RunError, match=r"changed: language/tokenizer\.json"):
        load_run(tmp_path / "export", CPU)


def test_a_changed_run_is_not_exported(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    flip(tmp_path / "run/model.safetensors", 0.9)
    with pytest.raises(RunError, match=r"changed: model\.safetensors"):
        export_run(tmp_path / "run", tmp_path / "export")
    assert not (tmp_path / "export").exists()


def test_a_copied_run_predicts_the_same(walks, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    torch.testing.assert_close(predictions(walks, tmp_path / "run"), predictions(walks, run))


def test_a_run_without_digests_is_read(run, tmp_path):
    """Version 0.1.0 wrote none."""
    shutil.copytree(run, tmp_path / "run")
    about = json.loads((run / "run.json").read_text())
    del about["files"], about["checksum"]
    (tmp_path / "run/run.json").write_text(json.dumps(about))
    assert RunInfo.read(tmp_path / "run").files == {}
    load_run(tmp_path / "run", CPU)


def test_the_difference_is_told_in_words(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    recorded = digest_files(tmp_path)
    assert changed_files(tmp_path, recorded) == ""
    (tmp_path / "model.safetensors").write_bytes(b"others")
    assert changed_files(tmp_path, recorded) == "changed: model.safetensors"
    (tmp_path / "model.safetensors").unlink()
    assert changed_files(tmp_path, recorded) == "missing: model.safetensors"
