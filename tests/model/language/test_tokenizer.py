"""Texts and pairs of texts as tokens: what is cut, what is absent, which segments they have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.language import FAMILIES, TEXTS

from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer


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
def test_a_pair_is_the_family_s_own(family: str, families: dict[str, str]) -> None:
    tokenize = Tokenizer.load(families[family], 32)
    tokens = tokenize(["i love the film", "we hate"], ["they like the film", ""])
    own = tokenize.tokenizer("they like the film", "i love the film")
    length = int(tokens.mask[0].sum())
    assert tokens.ids[0, :length].tolist() == own["input_ids"]
    if tokens.types is not None:
        assert tokens.types[0, :length].tolist() == own["token_type_ids"]
    alone = tokenize(["we hate"])
    assert (
        tokens.ids[1, : int(tokens.mask[1].sum())].tolist() == alone.ids[0].tolist()
    )  # as in the utterance setting
    assert tokens.cut == tokens.context_cut == 0


def test_the_oldest_context_is_cut_first_and_the_text_last(families: dict[str, str]) -> None:
    tokenize = Tokenizer.load(families["bert"], 8)

    def words(text: str, context: str) -> tuple[str, int, int]:
        tokens = tokenize([text], [context])
        return tokenize.tokenizer.decode(tokens.ids[0]), tokens.cut, tokens.context_cut

    assert words("i love", "a b c d e f g") == ("<cls> e f g <sep> i love <sep>", 0, 1)
    assert words("i love", "e f g") == ("<cls> e f g <sep> i love <sep>", 0, 0)
    assert words("i love the film i", "a b") == ("<cls> i love the film i <sep>", 0, 1)
    assert words("i love the film i i i i", "a b") == ("<cls> i love the film i i <sep>", 1, 1)
    assert words("", "a b") == ("<cls> a b <sep> <sep>", 0, 0)
    assert words("i", " \n") == ("<cls> i <sep>", 0, 0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4),
    st.integers(6, 16),
)
def test_every_pair_fits_and_keeps_its_newest_words(
    families: dict[str, str], lengths: list[tuple[int, int]], limit: int
) -> None:
    tokenize = Tokenizer.load(families["bert"], limit)
    texts, contexts = (
        [" ".join("abcdefg"[i % 7] for i in range(n)) for n in side]
        for side in zip(*lengths, strict=True)
    )
    together = tokenize(texts, contexts)
    assert together.ids.shape[1] <= limit
    for i, (text, context) in enumerate(zip(texts, contexts, strict=True)):
        alone = tokenize([text], [context])
        real = together.ids[i][together.mask[i]]
        assert torch.equal(real, alone.ids[0][alone.mask[0]])  # whatever the other rows are
        kept = [
            word for word in tokenize.tokenizer.decode(real).split() if not word.startswith("<")
        ]
        everything = [*context.split(), *text.split()]
        cut = len(tokenize.tokenizer(text)["input_ids"]) > tokenize.max_tokens
        assert cut or kept == everything[len(everything) - len(kept) :]


def test_a_tokenizer_without_pairs_is_refused(families: dict[str, str]) -> None:
    tokenize = Tokenizer.load(families["bert"], 8)
    slow = Tokenizer(
        type("Slow", (), {"model_max_length": 8, "pad_token_id": 0, "__call__": None})(), 8
    )
    with pytest.raises(LanguageModelError, match=r"Slow has no fast version.*setting=utterance"):
        slow.tokenize_pair("a", "b")
    assert tokenize.tokenize_pair("", "b") is None


def test_a_prompt_stands_around_every_text_and_is_never_cut(families: dict[str, str]) -> None:
    plain = Tokenizer.load(families["bert"], 12)
    prompted = Tokenizer.load(families["bert"], 12, "they like {text} we hate")
    tokens = prompted(["love", "", "a b c d e f g"])
    words = plain.tokenizer.convert_ids_to_tokens(tokens.ids[0][tokens.mask[0]].tolist())
    assert words == ["<cls>", "they", "like", "love", "we", "hate", "<sep>"]
    assert not tokens.mask[1].any()  # A text without words stays absent.
    words = plain.tokenizer.convert_ids_to_tokens(tokens.ids[2][tokens.mask[2]].tolist())
    assert words == ["<cls>", "they", "like", *"abcdef", "we", "hate", "<sep>"]
    assert tokens.cut == 1
    with pytest.raises(LanguageModelError, match="no room for a text within max_tokens=6"):
        Tokenizer.load(families["bert"], 6, "they like {text} we hate")(["a"])


def test_a_long_text_is_read_in_overlapping_windows(families: dict[str, str]) -> None:
    tokenizer = Tokenizer.load(families["bert"], 40, window=16)
    text = "a b c d e f g i we they love like film hate dread the a b c d e"  # 21 words
    tokens = tokenizer([text, "love"])
    words = tokenizer.tokenizer.convert_ids_to_tokens(tokens.ids[0][tokens.mask[0]].tolist())
    first, second = words[:16], words[16:]
    assert first == ["<cls>", *text.split()[:14], "<sep>"]
    assert second == ["<cls>", *text.split()[10:], "<sep>"]  # Four words are in both.
    assert tokens.cut == 0 and tokens.mask[1].sum() == 3

    cut = Tokenizer.load(families["bert"], 20, window=16)([f"{text} {text} {text}"])
    assert cut.cut == 1 and cut.mask.sum() == 32  # the windows that reach 20 tokens


def test_a_model_reads_each_window_alone(families: dict[str, str]) -> None:
    tokenizer = Tokenizer.load(families["bert"], 40, window=16)
    language = LanguageModel.pretrained(families["bert"]).eval()
    tokens = tokenizer(["a b c d e f g i we they love like film hate dread the a b", "love", ""])
    language.window = 16
    hidden = language(tokens.ids, tokens.mask)
    language.window = 0
    for start in (0, 16):
        part = slice(start, start + 16)
        expected = language(tokens.ids[:1, part], tokens.mask[:1, part])
        torch.testing.assert_close(hidden[:1, part], expected, rtol=0, atol=1e-5)
    alone = language(tokens.ids[1:2, :3], tokens.mask[1:2, :3])
    torch.testing.assert_close(hidden[1:2, :3], alone, rtol=0, atol=1e-5)
    assert (hidden[~tokens.mask] == 0).all()


def test_a_folder_without_the_files_of_its_tokenizer_is_refused(
    families: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(families["bert"], tmp_path / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / "model" / name).unlink()
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["vocab_size"] = 30_000
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(LanguageModelError, match=r"files of the tokenizer are missing|cannot be"):
        Tokenizer.load(tmp_path / "model", 8)
