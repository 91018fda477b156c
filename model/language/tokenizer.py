"""Tokenizer: texts, or pairs of context and text, as padded token ids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.family import family_of
from semanticmac.model.language.pretrained import open_pretrained, read_config
from semanticmac.model.language.source import LanguageModelError

TEXT = "{text}"  # where the text stands in a prompt


@dataclass(frozen=True)
class Tokens:
    """Tokenised texts, padded on the right."""

    ids: Tensor  # (B, L) int64, L at least 1
    mask: Tensor  # (B, L) bool, True = real token; a row without True is a text without words
    types: Tensor | None  # (B, L) int64 segment of each token; None: the tokenizer has no segments
    cut: int  # number of texts that were longer than the limit and lost their end
    context_cut: int = 0  # number of contexts that did not fit and lost their beginning


@dataclass(frozen=True)
class TokenizedText:
    """One tokenised text, before padding."""

    ids: list[int]
    types: list[int]  # segment of each token; empty if the tokenizer has no segments
    cut: bool = False
    context_cut: bool = False


NO_TOKENS = TokenizedText([], [])


class Tokenizer:
    """Texts → Tokens, always padded on the right, because that moves no token's position."""

    def __init__(self, tokenizer: Any, max_tokens: int, prompt: str = "", window: int = 0) -> None:
        """max_tokens: greatest length of a text, with special tokens.

        prompt: stands around every text, at the place of its `{text}`; empty = the text alone.
        window: a text that is longer is read in overlapping windows of so many tokens; 0 = at once.
        """
        self.tokenizer = tokenizer
        self.max_tokens = int(max_tokens)
        if not window:
            self.max_tokens = int(min(max_tokens, tokenizer.model_max_length))
        self.window = int(min(window, tokenizer.model_max_length))
        before, _, after = (prompt or TEXT).partition(TEXT)
        self.before, self.after = before, after
        self.pad_id = int(tokenizer.pad_token_id or 0)
        # Every epoch asks for all texts again, so they are tokenised once.
        self._texts: dict[str, TokenizedText] = {}
        self._pairs: dict[tuple[str, str], TokenizedText | None] = {}
        self._remembers = True

    def without_memory(self) -> Tokenizer:
        """The same tokenizer for texts that it reads once, such as texts with dropped words."""
        other = copy(self)
        other._texts, other._pairs, other._remembers = {}, {}, False
        return other

    @property
    def unknown_token(self) -> str:
        """The token that stands for an unknown word; empty where the tokenizer has none."""
        return str(self.tokenizer.unk_token or "")

    @classmethod
    def load(
        cls, name: str | Path, max_tokens: int, prompt: str = "", window: int = 0
    ) -> Tokenizer:
        """The tokenizer of a language model; name as in `locate`.

        A model that reads fewer than max_tokens tokens, or windows, sets the limit.
        Raises LanguageModelError if its vocabulary is not that of the model.
        """
        with open_pretrained(name) as (source, options):
            config = read_config(source, options)
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
        _check_vocabulary(name, len(tokenizer), getattr(config, "vocab_size", None))
        limit = family_of(config).max_tokens
        if limit is not None and window:
            window = min(window, limit)
        elif limit is not None:
            max_tokens = min(max_tokens, limit)
        return cls(tokenizer, max_tokens, prompt, window)

    @classmethod
    def of_config(cls, name: str | Path, config: ModelConfig) -> Tokenizer:
        """The tokenizer of a language model, as the settings of a model ask for it."""
        return cls.load(name, config.max_tokens, config.prompt, config.text_window)

    def __call__(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Tokens:
        """B texts, or B pairs (context, text) → Tokens.

        A row without words in text and context is absent: its mask is False. Empty, blank and
        invisible characters are no words. A text with an empty context is read alone.
        """
        if not self._remembers:
            self._texts.clear()
            self._pairs.clear()
        unknown = [text for text in dict.fromkeys(texts) if text not in self._texts]
        self._texts.update(zip(unknown, self.tokenize_texts(unknown), strict=True))
        rows = [self._texts[text] for text in texts]
        for i, (context, text) in enumerate(zip(contexts or (), texts, strict=False)):
            if context.strip():
                pair = (context, text)
                if pair not in self._pairs:
                    self._pairs[pair] = self.tokenize_pair(context, text)
                rows[i] = self._pairs[pair] or rows[i]

        return self._pad(rows)

    def _pad(self, rows: Sequence[TokenizedText]) -> Tokens:
        ids, types, lengths = [], [], []
        cut = context_cut = 0
        for row in rows:
            ids.append(row.ids)
            types.append(row.types)
            lengths.append(len(row.ids))
            cut += row.cut
            context_cut += row.context_cut
        longest = max(lengths, default=0)
        length = max(1, longest)  # L
        real = torch.tensor(lengths, dtype=torch.int64)[:, None]  # (B, 1)
        has_segments = "token_type_ids" in self.tokenizer.model_input_names
        return Tokens(
            ids=pad_rows(ids, length, self.pad_id),
            mask=torch.arange(length) < real,  # (B, L)
            types=pad_rows(types, length) if has_segments else None,
            cut=cut,
            context_cut=context_cut,
        )

    def tokenize_texts(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Each text alone, cut at its end if it is too long; no tokens if it has no words."""
        rows = [row for row, text in enumerate(texts) if text.strip()]
        tokenized = [NO_TOKENS] * len(texts)
        if not rows:
            return tokenized
        encoded = self.tokenizer(
            [texts[row] for row in rows], verbose=False, return_special_tokens_mask=True
        )
        for i, row in enumerate(rows):
            if all(encoded["special_tokens_mask"][i]):
                continue
            ids = encoded["input_ids"][i]
            types = encoded["token_type_ids"][i] if "token_type_ids" in encoded else []
            tokenized[row] = TokenizedText(ids, types)
            if self.before or self.after or len(ids) > (self.window or self.max_tokens):
                tokenized[row] = self._tokenize_long(texts[row])
        return tokenized

    def _tokenize_long(self, text: str) -> TokenizedText:
        """A text with its prompt, in windows or cut at its end."""
        if self.window:
            return self._tokenize_windows(self.before + text + self.after)
        if self.before or self.after:
            return self._tokenize_in_prompt(text)
        encoded = self.tokenizer(text, truncation=True, max_length=self.max_tokens)
        return TokenizedText(encoded["input_ids"], encoded.get("token_type_ids", []), cut=True)

    def _tokenize_in_prompt(self, text: str) -> TokenizedText:
        """A text with its prompt. Words of the text are cut where it is too long, never the prompt.

        Raises LanguageModelError for a tokenizer without a fast version, and for a prompt that is
        too long itself.
        """
        if not self.tokenizer.is_fast:
            raise LanguageModelError(
                f"{type(self.tokenizer).__name__} has no fast version, which a prompt needs: use "
                "another language model, or leave the prompt out"
            )
        kept = text
        encoded = self._encode(kept)
        while len(encoded["input_ids"]) > self.max_tokens and kept:
            # The end of the text's last tokens, as many as are too many.
            excess = len(encoded["input_ids"]) - self.max_tokens
            limit = len(self.before) + len(kept)
            starts = [start for start, end in encoded["offset_mapping"] if start < end <= limit]
            cut_at = starts[-min(excess, len(starts))] - len(self.before)
            kept = kept[: max(0, min(cut_at, len(kept) - 1))]
            encoded = self._encode(kept)
        if not kept.strip():
            raise LanguageModelError(
                f"the prompt leaves no room for a text within max_tokens={self.max_tokens}: "
                "shorten it, or set a greater max_tokens"
            )
        return TokenizedText(encoded["input_ids"], encoded.get("token_type_ids", []), kept != text)

    def _encode(self, text: str) -> Any:
        """A text with its prompt and special tokens, of any length."""
        return self.tokenizer(
            self.before + text + self.after, verbose=False, return_offsets_mapping=True
        )

    def _tokenize_windows(self, text: str) -> TokenizedText:
        """Windows one after the other, each with special tokens; all but the last are full.

        Two neighbours share a quarter of a window. The text is cut after the window in which it
        reaches max_tokens.
        """
        overlap = self.window // 4
        encoded = self.tokenizer(
            text,
            truncation=True,
            max_length=self.window,
            stride=overlap,
            return_overflowing_tokens=True,
        )
        special = self.tokenizer.num_special_tokens_to_add()
        step = self.window - special - overlap
        limit = 1 + math.ceil(max(0, self.max_tokens - self.window) / step)
        ids: list[int] = []
        types: list[int] = []
        for number, window in enumerate(encoded["input_ids"][:limit]):
            ids += window
            if "token_type_ids" in encoded:
                types += encoded["token_type_ids"][number]
        return TokenizedText(ids, types, len(encoded["input_ids"]) > limit)

    def tokenize_pair(self, context: str, text: str) -> TokenizedText | None:
        """A pair: the whole text, and before it as much of the end of the context as fits.

        None if the context has no token. If nothing of the context fits, the text is read alone.
        Raises LanguageModelError for a tokenizer without a fast version.
        """
        backend: Any = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise LanguageModelError(
                f"{type(self.tokenizer).__name__} has no fast version, which pairs of context "
                "and text need: use another language model, or setting=utterance"
            )
        filled = self.before + text + self.after
        encodings = self.tokenizer([context, filled], add_special_tokens=False, verbose=False)
        before, target = encodings.encodings
        if not len(before):
            return None
        space = self.max_tokens - backend.num_special_tokens_to_add(True) - len(target)
        if space < 1:
            return replace(self.tokenize_texts([text])[0], context_cut=True)
        context_cut = len(before) > space
        # The oldest words are cut first.
        before.truncate(min(len(before), space), direction="left")
        pair = backend.post_process(before, target, True)
        return TokenizedText(pair.ids, pair.type_ids, False, context_cut)


def _check_vocabulary(name: str | Path, tokens: int, rows: int | None) -> None:
    """Raises LanguageModelError if the tokenizer knows half of the model's tokens or fewer.

    transformers makes an almost empty tokenizer where the files of a tokenizer are missing.
    """
    if rows is not None and tokens <= rows // 2:
        raise LanguageModelError(
            f"the tokenizer of {name} knows {tokens} tokens and the model {rows}: files of the "
            "tokenizer are missing (tokenizer.json, vocab.txt or spiece.model). Copy the whole "
            "folder again"
        )


def pad_rows(rows: Sequence[list[int]], length: int, fill: int = 0) -> Tensor:
    """B rows of at most L numbers → (B, L) int64, filled on the right."""
    padded = [row + [fill] * (length - len(row)) for row in rows]
    return torch.tensor(padded, dtype=torch.int64).reshape(len(rows), length)
