"""Loading of a language model: clear errors, no output, and no code of the model's folder."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.language import save_family
from transformers import BertConfig

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.report import language_notes
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer


def test_what_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        LanguageModelError,
        match=r"the model hub did not give the language model 'no/such-model'.*Give a",
    ):
        LanguageModel.pretrained("no/such-model")
    with pytest.raises(LanguageModelError, match="there is no such folder"):
        LanguageModel.pretrained(str(tmp_path / "nowhere"))
    with pytest.raises(LanguageModelError, match=r"has no config\.json"):
        Tokenizer.load(str(tmp_path), 8)
    BertConfig(hidden_size=8, num_attention_heads=2).save_pretrained(tmp_path)
    with pytest.raises(LanguageModelError, match=r"the language model in .* cannot be read"):
        LanguageModel.pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(LanguageModelError, match=r"the language model in .* cannot be read"):
        LanguageModel.pretrained(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LanguageModelError, match=r"pip install 'semanticmac\[demo\]'"):
        LanguageModel.pretrained("all-minilm-l6-v2")


def test_loading_is_silent_and_leaves_no_setting_behind(
    folders: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("transformers")
    before = logger.level
    Tokenizer.load("all-minilm-l6-v2", 8)(
        ["a text that is far longer than the eight tokens that it may have"]
    )
    LanguageModel.pretrained("all-minilm-l6-v2")
    assert capfd.readouterr() == ("", "")
    assert logger.level == before


def plant_code(folder: Path, marker: Path, **entries: object) -> None:
    """Adds a Python file to a model folder, and entries to its configurations that name it."""
    code = f"open({str(marker)!r}, 'w')\n"
    code += "from transformers import BertConfig as Config, BertModel as Model\n"
    (folder / "planted.py").write_text(code, encoding="utf-8")
    names = {"AutoConfig": "planted.Config", "AutoModel": "planted.Model"}
    for name in ("config.json", "tokenizer_config.json"):
        settings = json.loads((folder / name).read_text(encoding="utf-8"))
        settings |= {"auto_map": names, **entries}
        (folder / name).write_text(json.dumps(settings), encoding="utf-8")


def test_code_in_a_model_folder_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a person was asked to trust it"))
    save_family("bert", tmp_path / "known")
    plain = LanguageModel.pretrained(tmp_path / "known")
    kernels = "kernels-community/flash-attn"
    plant_code(tmp_path / "known", tmp_path / "ran", attn_implementation=kernels)

    for model in (
        LanguageModel.pretrained(tmp_path / "known"),
        LanguageModel.untrained(tmp_path / "known"),
    ):
        assert not hasattr(model.encoder.config, "auto_map")
        assert model.encoder.config._attn_implementation != kernels
        assert model.encoder.state_dict().keys() == plain.encoder.state_dict().keys()
    Tokenizer.load(tmp_path / "known", 8)

    save_family("bert", tmp_path / "unknown")
    plant_code(tmp_path / "unknown", tmp_path / "ran", model_type="of-a-stranger")
    for load in (LanguageModel.pretrained, LanguageModel.untrained):
        with pytest.raises(LanguageModelError, match="never run here") as refusal:
            load(tmp_path / "unknown")
        assert "trust_remote_code" not in str(refusal.value)
    assert not (tmp_path / "ran").exists()


def save_as_bin(folder: Path) -> None:
    """Turns a checkpoint in safetensors into one of older versions."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_a_bin_checkpoint_is_read(tmp_path: Path) -> None:
    save_family("bert", tmp_path)
    expected = LanguageModel.pretrained(tmp_path).encoder.state_dict()
    save_as_bin(tmp_path)
    weights = LanguageModel.pretrained(tmp_path).encoder.state_dict()
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name


class Planted:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.marker), "w")


def test_a_bin_checkpoint_that_runs_code_is_refused(tmp_path: Path) -> None:
    save_family("bert", tmp_path)
    save_as_bin(tmp_path)
    torch.save({"bomb": Planted(tmp_path / "ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(LanguageModelError, match=r"no plain tensors|cannot be read"):
        LanguageModel.pretrained(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_surplus_tensors_are_named_and_heads_are_not(tmp_path: Path) -> None:
    save_family("bert", tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["cls.predictions.bias"] = torch.zeros(3)
    weights["encoder.layer.9.output.dense.bias"] = torch.zeros(16)
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    language = LanguageModel.pretrained(tmp_path)
    assert language.surplus == ("encoder.layer.9.output.dense.bias",)
    notes = language_notes(language, Tokenizer.load(tmp_path, 8), ModelConfig(language="bert"))
    assert notes[-1] == (
        "bert: 1 tensors of the checkpoint are unknown to its architecture and are not read "
        "(encoder.layer.9.output.dense.bias)"
    )


def test_four_bit_weights_need_bitsandbytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_family("bert", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LanguageModelError, match="pip install bitsandbytes"):
        LanguageModel.pretrained(tmp_path, "4bit", frozen=True)
