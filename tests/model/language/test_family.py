"""Every family: what its configuration says, and hidden states equal to those of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.families import ALL, DECODERS, ENCODER_DECODERS, LENGTH, config_of, save_model
from transformers import BartConfig, BertConfig

from semanticmac.model.language.family import family_of
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer

TEXTS = ["i love the film", "", "hate", "we really love a b c d e f g the film but they hate it"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("families")
    return {family: save_model(family, root / family) for family in ALL}


def opened(folder: str) -> tuple[Tokenizer, LanguageModel]:
    return Tokenizer.load(folder, 32), LanguageModel.pretrained(folder).eval()


@pytest.mark.parametrize("family", ALL)
def test_the_kind_agrees_with_what_the_model_does(family: str, models: dict[str, str]) -> None:
    """A decoder's state does not change with the tokens after it; an encoder's does."""
    language = LanguageModel.pretrained(models[family]).eval()
    ids = torch.tensor([[5, 6, 7], [5, 6, 8]])
    first = language(ids, torch.ones_like(ids, dtype=torch.bool))[:, 0]
    assert torch.allclose(first[0], first[1], atol=1e-6) == language.family.causal
    expected = "encoder"
    if family in DECODERS:
        expected = "decoder"
    elif family in ENCODER_DECODERS:
        expected = "encoder-decoder"
    assert language.family.kind == expected
    assert language.encoder.config.use_cache is False
    assert language.pooling == ("last" if family in DECODERS else language.pooling)


@pytest.mark.parametrize("family", ALL)
def test_hidden_states_are_those_of_transformers(family: str, models: dict[str, str]) -> None:
    tokenizer, language = opened(models[family])
    tokens = tokenizer(TEXTS)
    hidden = language(tokens.ids, tokens.mask)
    assert hidden.isfinite().all() and (hidden[~tokens.mask] == 0).all()
    for row, text in enumerate(TEXTS):
        length = int(tokens.mask[row].sum())
        if not length:
            assert not text
            continue
        alone = tokenizer.tokenizer(text, return_tensors="pt")
        inputs = {"input_ids": alone["input_ids"], "attention_mask": alone["attention_mask"]}
        expected = language.encoder(**inputs).last_hidden_state[0]
        torch.testing.assert_close(hidden[row, :length], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", ALL)
def test_padding_on_either_side_and_batch_mates_change_nothing(
    family: str, models: dict[str, str]
) -> None:
    tokenizer, language = opened(models[family])
    tokens = tokenizer(TEXTS)
    hidden = language(tokens.ids, tokens.mask)
    ids = torch.full((len(TEXTS), 20), 3)
    mask = torch.zeros(len(TEXTS), 20, dtype=torch.bool)
    for row in range(len(TEXTS)):
        length = int(tokens.mask[row].sum())
        if length:
            ids[row, -length:] = tokens.ids[row, :length]
            mask[row, -length:] = True
    left = language(ids, mask)
    for row in range(len(TEXTS)):
        real = hidden[row][tokens.mask[row]]
        torch.testing.assert_close(left[row][mask[row]], real, rtol=0, atol=1e-5)
    alone = language(tokens.ids[2:3], tokens.mask[2:3])
    torch.testing.assert_close(alone[0], hidden[2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", DECODERS)
def test_embeddings_give_the_states_of_their_ids(family: str, models: dict[str, str]) -> None:
    """Also where a family scales its embeddings, as Gemma does."""
    tokenizer, language = opened(models[family])
    tokens = tokenizer(TEXTS)
    embeddings = language.embed(tokens.ids, tokens.mask)
    torch.testing.assert_close(
        language.read_embeddings(embeddings, tokens.mask), language(tokens.ids, tokens.mask)
    )


@pytest.mark.parametrize("family", [name for name in ALL if name != "xlnet"])
def test_bfloat16_is_close_to_float32(family: str, models: dict[str, str]) -> None:
    tokenizer, exact = opened(models[family])
    half = LanguageModel.pretrained(models[family], "bfloat16", frozen=True).eval()
    assert half.weights_dtype == torch.bfloat16
    tokens = tokenizer(TEXTS)
    states, expected = half(tokens.ids, tokens.mask), exact(tokens.ids, tokens.mask)
    assert states.dtype == torch.float32
    cosine = torch.cosine_similarity(states[tokens.mask], expected[tokens.mask], dim=-1)
    assert cosine.mean() > 0.999


def test_xlnet_is_refused_in_bfloat16(models: dict[str, str]) -> None:
    with pytest.raises(LanguageModelError, match="use language_weights=float32"):
        LanguageModel.pretrained(models["xlnet"], "bfloat16", frozen=True)


def test_a_frozen_decoder_is_kept_in_bfloat16(models: dict[str, str]) -> None:
    kept = {}
    for family in ("bert", "qwen3"):
        language = LanguageModel.pretrained(models[family], "auto", frozen=True)
        kept[family] = language.weights_dtype
        assert not any(weight.requires_grad for weight in language.parameters())
    assert kept == {"bert": torch.float32, "qwen3": torch.bfloat16}
    trained = LanguageModel.pretrained(models["qwen3"], "auto")
    assert trained.weights_dtype == torch.float32


def test_the_greatest_length_is_that_of_the_position_table() -> None:
    assert family_of(config_of("bert")).max_tokens == LENGTH
    assert family_of(config_of("roberta")).max_tokens == LENGTH - 1  # The padding id is 0.
    assert family_of(config_of("mpnet")).max_tokens == LENGTH - 2
    for family in ("xlnet", "t5", "mt5"):
        assert family_of(config_of(family)).max_tokens is None


def test_a_long_text_fits_into_the_positions_of_its_model(models: dict[str, str]) -> None:
    """A folder's tokenizer often names no limit, and the settings may ask for more."""
    for family in ("bert", "roberta", "mpnet"):
        tokenizer = Tokenizer.load(models[family], 500)
        language = LanguageModel.pretrained(models[family]).eval()
        tokens = tokenizer(["love " * 300])
        assert tokens.ids.shape[1] == family_of(config_of(family)).max_tokens
        assert tokens.cut == 1
        assert language(tokens.ids, tokens.mask).isfinite().all()


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(LanguageModelError, match="bart is an encoder-decoder whose encoder"):
        family_of(BartConfig())
    config: Any = BertConfig()
    config.vision_config = {"hidden_size": 8}
    with pytest.raises(LanguageModelError, match="also reads images or audio"):
        family_of(config)


def test_a_bert_with_a_causal_mask_is_a_decoder(tmp_path: Path) -> None:
    assert family_of(BertConfig(is_decoder=True)).kind == "decoder"
