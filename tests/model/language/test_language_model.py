"""The hidden states of language models: padding, masks, gradients, and run folders."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.language import FAMILIES, TEXTS
from transformers import AutoModel, BertConfig, T5Config

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel, save_language
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.network import SemanticMAC


@pytest.mark.parametrize("family", [*FAMILIES, "sentence-bert"])
def test_padding_never_changes_hidden_states(family: str, folders: dict[str, str]) -> None:
    tokenizer, language = (
        Tokenizer.load(folders[family], 32),
        LanguageModel.pretrained(folders[family]).eval(),
    )
    tokens = tokenizer(TEXTS)
    assert tokens.mask.any(1).tolist() == [True, False, True, True, False]
    hidden = language(tokens.ids, tokens.mask)
    assert hidden.shape == (*tokens.ids.shape, language.width) and hidden.isfinite().all()
    assert (hidden[~tokens.mask] == 0).all()
    for row, text in enumerate(TEXTS):
        alone = tokenizer([text])
        length = int(alone.mask.sum())
        assert alone.mask[0, :length].all() and torch.equal(
            alone.ids[0, :length], tokens.ids[row, :length]
        )
        torch.testing.assert_close(
            language(alone.ids, alone.mask)[0, :length], hidden[row, :length], rtol=0, atol=1e-5
        )
    garbage = torch.where(tokens.mask, tokens.ids, 3)
    torch.testing.assert_close(language(garbage, tokens.mask), hidden)


@pytest.mark.parametrize("family", [*FAMILIES, "sentence-bert"])
def test_hidden_states_are_those_of_transformers(family: str, folders: dict[str, str]) -> None:
    """A text that transformers tokenises and encodes has the same ids and hidden states."""
    name = folders[family]
    tokenizer, language = Tokenizer.load(name, 32), LanguageModel.pretrained(name).eval()
    tokens = tokenizer(TEXTS[:1])
    ids = tokenizer.tokenizer(TEXTS[0], return_tensors="pt")["input_ids"]
    assert torch.equal(tokens.ids, ids)
    torch.testing.assert_close(
        language(tokens.ids, tokens.mask), language.encoder(input_ids=ids).last_hidden_state
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_every_trainable_weight_gets_a_gradient(family: str, folders: dict[str, str]) -> None:
    """Data-parallel training waits for the gradient of every trainable weight."""
    tokenizer, language = (
        Tokenizer.load(folders[family], 32),
        LanguageModel.pretrained(folders[family]),
    )
    assert language.training and language.encoder.training
    tokens = tokenizer(TEXTS)
    language(tokens.ids, tokens.mask).square().sum().backward()
    for name, weight in language.named_parameters():
        assert (weight.grad is not None) == weight.requires_grad, name
        assert weight.grad is None or weight.grad.isfinite().all(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_folder_needs_no_pretrained_model(
    family: str, folders: dict[str, str], tmp_path: Path
) -> None:
    language, tokenizer = (
        LanguageModel.pretrained(folders[family]),
        Tokenizer.load(folders[family], 32),
    )
    config = ModelConfig(language=folders[family], d_model=16, vision_width=4, audio_width=4)
    model = SemanticMAC(config, language).eval()
    save_language(tmp_path / "language", language, tokenizer)
    save_language(tmp_path / "language", language, tokenizer)  # a second time replaces the first
    assert not list(tmp_path.rglob("*.safetensors")) and not list(tmp_path.glob("*.partial"))
    again = SemanticMAC(config, LanguageModel.untrained(tmp_path / "language")).eval()
    again.load_state_dict(model.state_dict())
    tokens, same = tokenizer(TEXTS), Tokenizer.load(tmp_path / "language", 32)(TEXTS)
    assert torch.equal(tokens.ids, same.ids) and torch.equal(tokens.mask, same.mask)
    torch.testing.assert_close(
        again.encode_text(same.ids, same.mask),
        model.encode_text(tokens.ids, tokens.mask),
        rtol=0,
        atol=0,
    )


def test_incomplete_weights_and_decoders_are_refused(tmp_path: Path) -> None:
    small = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 20}
    AutoModel.from_config(BertConfig(**small, num_hidden_layers=1)).save_pretrained(tmp_path)
    BertConfig(**small, num_hidden_layers=2).save_pretrained(tmp_path)
    with pytest.raises(LanguageModelError, match=r"lack 16 tensors, such as encoder\.layer\.1"):
        LanguageModel.pretrained(tmp_path)
    with pytest.raises(LanguageModelError, match="T5Model has a decoder"):
        LanguageModel(
            AutoModel.from_config(
                T5Config(vocab_size=20, d_model=8, d_ff=8, num_layers=1, num_heads=1)
            )
        )
