"""Tokenizer: texts, or pairs of context and text, as padded token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer

from semanticmac.model.language.pretrained import LanguageModelError, open_pretrained


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

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = int(min(max_tokens, tokenizer.model_max_length))
        self.pad_id = int(tokenizer.pad_token_id or 0)
        # Every epoch asks for all texts again, so they are tokenised once.
        self._texts: dict[str, TokenizedText] = {}
        self._pairs: dict[tuple[str, str], TokenizedText | None] = {}

    @classmethod
    def load(cls, name: str | Path, max_tokens: int) -> Tokenizer:
        """The tokenizer of a language model; name as in `locate`."""
        with open_pretrained(name) as (source, options):
            return cls(AutoTokenizer.from_pretrained(source, **options), max_tokens)

    def __call__(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Tokens:
        """B texts, or B pairs (context, text) → Tokens.

        A row without words in text and context is absent: its mask is False. Empty, blank and
        invisible characters are no words. A text with an empty context is read alone.
        """
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
            [texts[row] for row in rows],
            truncation=True,
            max_length=self.max_tokens,
            return_special_tokens_mask=True,
        )
        for i, row in enumerate(rows):
            if all(encoded["special_tokens_mask"][i]):
                continue
            ids = encoded["input_ids"][i]
            types = encoded["token_type_ids"][i] if "token_type_ids" in encoded else []
            cut = len(ids) >= self.max_tokens and self.is_too_long(texts[row])
            tokenized[row] = TokenizedText(ids, types, cut)
        return tokenized

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
        encodings = self.tokenizer([context, text], add_special_tokens=False, verbose=False)
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

    def is_too_long(self, text: str) -> bool:
        """Whether the text has more tokens than the limit."""
        # verbose=False: transformers would warn about a long text.
        return len(self.tokenizer(text, verbose=False)["input_ids"]) > self.max_tokens


def pad_rows(rows: Sequence[list[int]], length: int, fill: int = 0) -> Tensor:
    """B rows of at most L numbers → (B, L) int64, filled on the right."""
    padded = [row + [fill] * (length - len(row)) for row in rows]
    return torch.tensor(padded, dtype=torch.int64).reshape(len(rows), length)
