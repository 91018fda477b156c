"""Fine-tuning in several families: trained weights, fixed weights, and the saved run folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from semanticmac.cache.dataset import make_dataloader
from semanticmac.cache.layout import CacheLayout
from semanticmac.eval.predict import predict
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.finetuning import transformer_layers
from semanticmac.model.language.language_model import LanguageModel, save_language
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.network import SemanticMAC
from semanticmac.run.folder import RunInfo
from semanticmac.run.weights import load_run, save_best
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
FAMILIES = ("bert", "roberta", "xlnet")
WAYS: list[dict[str, Any]] = [
    {},
    {"freeze_language": True},
    {"train_layers": 1},
    {"lora_rank": 2},
    {"setting": "conversation"},
    {"setting": "conversation", "lora_rank": 2},
]
SIZE = {"d_model": 8, "heads": 2, "vision_width": 8, "audio_width": 8, "perceiver_tokens": 2}


def model_of(family: str, families: dict[str, str], **way: Any) -> SemanticMAC:
    config = ModelConfig(language=families[family], **SIZE, **way)
    return SemanticMAC(config, LanguageModel.pretrained(families[family]))


def inputs(model: SemanticMAC, families: dict[str, str], family: str) -> tuple[Any, ...]:
    texts, contexts = ["i love the film", "we hate", ""], ["they like", "", ""]
    pairs = [contexts] if model.config.setting == "conversation" else []
    tokens = Tokenizer.load(families[family], 32)(texts, *pairs)
    return tokens.ids, tokens.mask, tokens.types if pairs else None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_run_folder_gives_back_the_same_predictions(
    family: str,
    way: dict[str, Any],
    families: dict[str, str],
    planted: Callable[..., CacheLayout],
    tmp_path: Path,
) -> None:
    model = model_of(family, families, **way)
    torch.manual_seed(1)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data.add_(torch.randn_like(weight) * 0.1)
    data = open_data(planted(), "planted")
    tokenizer = Tokenizer.load(families[family], 32)
    save_language(tmp_path / "language", LanguageModel.pretrained(families[family]), tokenizer)
    info = RunInfo(
        "planted", data.task, data.streams, model.config, 1, 1, "loss", 0.0, data.digest, {}
    )
    save_best(tmp_path, model, info)
    trained = load_run(tmp_path, CPU)
    assert trained.info.model == model.config
    clips = data.valid.with_context(model.config.clips_before)
    mine, its = (
        predict(net, make_dataloader(clips, 4, tokenize, 1), CPU)
        for net, tokenize in ((model, tokenizer), (trained.model, trained.tokenize))
    )
    assert (mine.outputs == its.outputs).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_exactly_what_should_learns(
    family: str, way: dict[str, Any], families: dict[str, str]
) -> None:
    model = model_of(family, families, **way).train()
    assert model.language is not None
    encoder: Any = model.language.encoder
    learning = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    if way.get("freeze_language"):
        assert not learning and not encoder.training
    elif way.get("train_layers"):
        last = transformer_layers(encoder)[-1]
        assert {id(p) for n, p in encoder.named_parameters() if n in learning} <= {
            id(p) for p in last.parameters()
        }
        assert learning
    elif way.get("lora_rank"):
        assert learning and all("lora_" in name for name in learning)
    else:
        assert any("embed" in name for name in learning)
        if (
            family == "xlnet"
        ):  # what tells segments apart learns where segments are told, and only there
            assert any("seg_embed" in name for name in learning) == (
                model.config.setting == "conversation"
            )
    hidden, _ = model.encode_text(*inputs(model, families, family))
    hidden.square().sum().backward()
    for name, weight in encoder.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_low_rank_update_changes_nothing(family: str, families: dict[str, str]) -> None:
    torch.manual_seed(0)
    plain = model_of(family, families).eval()
    torch.manual_seed(0)
    lora = model_of(family, families, lora_rank=2).eval()
    assert plain.language is not None and lora.language is not None
    ids, mask, _ = inputs(plain, families, family)
    torch.testing.assert_close(lora.language(ids, mask), plain.language(ids, mask), rtol=0, atol=0)


def test_segments_reach_the_families_that_have_them(families: dict[str, str]) -> None:
    for family in FAMILIES:
        model = model_of(family, families, setting="conversation").eval()
        ids, mask, types = inputs(model, families, family)
        broadcast = model.encode_text(ids, mask, types)[0]
        untold = model.encode_text(ids, mask, None)[0]
        assert torch.equal(broadcast, untold) == (family == "roberta"), family
        assert (types is None) == (family == "roberta")


def test_training_leaves_frozen_weights_alone(
    families: dict[str, str],
    planted: Callable[..., CacheLayout],
    small: dict[str, Any],
    tmp_path: Path,
) -> None:
    settings = small | {"language": families["bert"], "train_layers": 1, "lr_language": 0.01}
    train(
        override(TrainConfig("planted"), settings), open_data(planted(), "planted"), tmp_path, CPU
    )
    before, after = (
        LanguageModel.pretrained(families["bert"]),
        load_run(tmp_path, CPU).model.language,
    )
    assert after is not None
    pairs = list(zip(before.encoder.named_parameters(), after.encoder.parameters(), strict=True))
    changed = {name.split(".")[2] for (name, old), new in pairs if not torch.equal(old, new)}
    assert changed == {"2"}  # encoder.layer.2, the last of three


def test_what_cannot_be_limited_is_said(
    families: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LanguageModelError, match="train_layers=4, but BertModel has 3 layers"):
        model_of("bert", families, train_layers=4)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        LanguageModelError,
        match=r"lora_rank=2 needs the package peft.*pip install 'semanticmac\[lora\]'",
    ):
        model_of("bert", families, lora_rank=2)
