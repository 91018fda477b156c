"""What is refused of a model's folder, and that no code of it is run."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.tiny_encoders import clip_with, save_encoder

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.pretrained import LayerOutput
from semanticmac.preprocess.encoders.registry import open_encoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_encoder("hubert", tmp_path / "hubert")
    return tmp_path / "hubert"


def rewrite(folder: Path, change) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def open_it(folder: Path):
    return open_encoder(f"hubert:{folder}", "audio", "cpu")


def test_missing_tensors_are_named(folder):
    rewrite(folder, lambda weights: weights.pop("encoder.layers.1.feed_forward.output_dense.bias"))
    with pytest.raises(CheckpointError, match=r"lack 1 tensors.*layers\.1\.feed_forward\.output"):
        open_it(folder)


def test_a_parameter_of_masked_training_may_be_missing(folder):
    rewrite(folder, lambda weights: weights.pop("masked_spec_embed", None))
    open_it(folder)


def test_nan_is_refused(folder):
    def change(weights):
        weights["encoder.layer_norm.weight"][3] = float("nan")

    rewrite(folder, change)
    with pytest.raises(CheckpointError, match=r"encoder\.layer_norm\.weight has NaN"):
        open_it(folder)


def test_a_bin_file_gives_the_same_embeddings(tmp_path):
    save_encoder("hubert", tmp_path / "safe")
    save_encoder("hubert", tmp_path / "bin", safe=False)
    raw = clip_with(seconds=1, audio=True)
    np.testing.assert_array_equal(
        open_it(tmp_path / "safe").encode(raw), open_it(tmp_path / "bin").encode(raw)
    )


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_bin_file_is_never_run(tmp_path):
    save_encoder("hubert", tmp_path / "bin", safe=False)
    weights = tmp_path / "bin/pytorch_model.bin"
    torch.save({"x": Evil(tmp_path / "made")}, weights)
    with pytest.raises(CheckpointError, match=r"safetensors|cannot be read"):
        open_it(tmp_path / "bin")
    weights.write_bytes(pickle.dumps(Evil(tmp_path / "made")))
    with pytest.raises(CheckpointError, match=r"safetensors|cannot be read"):
        open_it(tmp_path / "bin")
    assert not (tmp_path / "made").exists()


def test_entries_that_load_code_are_ignored(folder):
    before = open_it(folder).encode(clip_with(seconds=1, audio=True))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "evil.Model"}
    config["attn_implementation"] = config["_attn_implementation"] = "someone/kernels"
    config["quantization_config"] = {"quant_method": "awq"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('run')")
    np.testing.assert_array_equal(open_it(folder).encode(clip_with(seconds=1, audio=True)), before)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"has no config\.json"),
        ("model.safetensors", r"has no weights: expected model\.safetensors"),
        ("preprocessor_config.json", r"has no preprocessor_config\.json"),
    ],
)
def test_a_missing_file_is_named(folder, name, message):
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=message):
        open_it(folder)


def test_damaged_files(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        open_it(folder)
    shutil.rmtree(folder)
    save_encoder("hubert", folder)
    (folder / "model.safetensors").write_bytes(b"no safetensors at all")
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_it(folder)


def test_an_adapter_is_refused(folder):
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="merge the adapter"):
        open_it(folder)


def test_unknown_folders_and_layers(folder):
    with pytest.raises(CheckpointError, match="there is no folder"):
        open_it(folder / "missing")
    with pytest.raises(CheckpointError, match="the model hub did not give 'nobody/nothing'"):
        open_encoder("hubert:nobody/nothing", "audio", "cpu")
    with pytest.raises(CheckpointError, match=r"has 3 layers and no layer 4"):
        open_encoder(f"hubert:{folder}@layer4", "audio", "cpu")


def test_shards_are_read_and_named(tmp_path):
    model = save_encoder("hubert", tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "many")
    (tmp_path / "many/model.safetensors").unlink()
    model.save_pretrained(tmp_path / "many", max_shard_size=20_000)
    raw = clip_with(seconds=1, audio=True)
    one, many = open_it(tmp_path / "one"), open_it(tmp_path / "many")
    np.testing.assert_array_equal(one.encode(raw), many.encode(raw))
    assert one.fingerprint(Sampling()).weights != many.fingerprint(Sampling()).weights
    shards = sorted((tmp_path / "many").glob("model-*.safetensors"))
    shards[0].unlink()
    with pytest.raises(CheckpointError, match="there is no such file beside it"):
        open_it(tmp_path / "many")


def test_threads_do_not_take_the_states_of_each_other() -> None:
    """On a GPU several threads run one model."""
    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList([torch.nn.Identity()])
    output = LayerOutput(model, 1, 1, "identity")
    ran = threading.Barrier(2)

    def states(number: float) -> float:
        model.layers[0](torch.tensor([number]))
        ran.wait(30)  # Both have run before either takes its states.
        return float(output.take())

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(states, (1.0, 2.0))) == [1.0, 2.0]
