"""The language model to fine-tune and its tokenizer: with hub.py, the only door to transformers."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from semanticmac.model.pretrained import LanguageModelError, opened, quiet, read_config

__all__ = [
    "LanguageModel",
    "LanguageModelError",
    "Tokenizer",
    "Tokens",
    "freeze_unused",
    "save_language",
]


@dataclass(frozen=True)
class Tokens:
    """Tokenised texts, padded on the right."""

    ids: Tensor  # (B, L) int64, L at least 1
    mask: Tensor  # (B, L) bool, True = real token; a row without True is a text without words
    types: Tensor | None  # (B, L) int64 segment of each token, where the tokenizer tells them
    cut: int  # how many texts were longer than the limit and lost their end
    context_cut: int = 0  # how many contexts did not fit before their text and lost their beginning


@dataclass(frozen=True)
class Line:
    """One tokenised text, before padding."""

    ids: list[int]
    types: list[int]  # segment of each token; empty where the tokenizer does not tell
    cut: bool = False
    context_cut: bool = False


NOTHING = Line([], [])


class Tokenizer:
    """Texts → Tokens, right-padded whatever the family's habit, because right padding moves no token's position."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = int(min(max_tokens, tokenizer.model_max_length))
        self.pad_id = int(tokenizer.pad_token_id or 0)
        # Texts and pairs that were read before: every epoch asks for all of them again.
        self.known: dict[str, Line] = {}
        self.known_pairs: dict[tuple[str, str], Line | None] = {}

    @classmethod
    def load(cls, name: str | Path, max_tokens: int) -> Tokenizer:
        """The tokenizer of the language model that `name` stands for, see `locate`."""
        with opened(name) as (place, options):
            return cls(AutoTokenizer.from_pretrained(place, **options), max_tokens)

    def __call__(self, texts: Sequence[str], contexts: Sequence[str] | None = None) -> Tokens:
        """Texts, or pairs (context, text), → Tokens. A row without words on either side is absent: its mask is False.

        Without words: empty, blank, invisible characters. A text without context is read as if
        there were no pairs.
        """
        unknown = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known.update(zip(unknown, self.read_alone(unknown), strict=True))
        lines = [self.known[text] for text in texts]
        for row, pair in enumerate(zip(contexts or (), texts, strict=False)):
            if pair[0].strip():
                if pair not in self.known_pairs:
                    self.known_pairs[pair] = self.read_pair(*pair)
                lines[row] = self.known_pairs[pair] or lines[row]
        length = max((len(line.ids) for line in lines), default=0) or 1
        ids = padded([line.ids for line in lines], length, self.pad_id)
        types = padded([line.types for line in lines], length)
        # (B, L)
        mask = torch.arange(length) < torch.tensor([len(line.ids) for line in lines])[:, None]
        cut, context_cut = sum(line.cut for line in lines), sum(line.context_cut for line in lines)
        has_types = "token_type_ids" in self.tokenizer.model_input_names
        return Tokens(ids, mask, types if has_types else None, cut, context_cut)

    def read_alone(self, texts: Sequence[str]) -> list[Line]:
        """Each text by itself, its end cut where it is too long; no token at all where it has no words."""
        rows = [row for row, text in enumerate(texts) if text.strip()]
        lines = [NOTHING] * len(texts)
        if not rows:
            return lines
        options = {
            "truncation": True,
            "max_length": self.max_tokens,
            "return_special_tokens_mask": True,
        }
        encoded = self.tokenizer([texts[row] for row in rows], **options)
        for place, row in enumerate(rows):
            if not all(encoded["special_tokens_mask"][place]):
                own = encoded["input_ids"][place]
                types = encoded["token_type_ids"][place] if "token_type_ids" in encoded else []
                lines[row] = Line(
                    own, types, len(own) >= self.max_tokens and self.is_cut(texts[row])
                )
        return lines

    def read_pair(self, context: str, text: str) -> Line | None:
        """The pair of a context and a text: the text whole, then as much of the context's end as fits before it.

        None where the context has no token: the text is read alone, as it is where nothing of the
        context fits.
        """
        backend: Any = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise LanguageModelError(
                f"{type(self.tokenizer).__name__} has no fast version, which pairs of context and text need: "
                "use another language model, or setting=utterance"
            )
        before, own = self.tokenizer(
            [context, text], add_special_tokens=False, verbose=False
        ).encodings
        room = self.max_tokens - backend.num_special_tokens_to_add(True) - len(own)
        if not len(before):
            return None
        if room < 1:
            alone = self.read_alone([text])[0]
            return replace(alone, context_cut=True)
        context_cut = len(before) > room
        before.truncate(min(len(before), room), direction="left")  # the oldest words go first
        pair = backend.post_process(before, own, True)
        return Line(pair.ids, pair.type_ids, False, context_cut)

    def is_cut(self, text: str) -> bool:
        """Is the text longer than the limit?"""
        return (
            len(self.tokenizer(text, verbose=False)["input_ids"]) > self.max_tokens
        )  # quietly: here it may be long


def padded(rows: Sequence[list[int]], length: int, fill: int = 0) -> Tensor:
    """Rows of up to `length` numbers → (B, length) int64, filled on the right."""
    whole = [row + [fill] * (length - len(row)) for row in rows]
    return torch.tensor(whole, dtype=torch.int64).reshape(len(rows), length)


class LanguageModel(nn.Module):
    """A pre-trained text encoder (BERT, RoBERTa, XLNet, sentence-BERT, …) seen as ids and mask → hidden states."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        if getattr(encoder.config, "is_encoder_decoder", False):
            raise LanguageModelError(
                f"{type(encoder).__name__} has a decoder; name an encoder, such as BERT"
            )
        self.encoder = encoder.float()
        self.width = int(encoder.config.hidden_size)
        segments = getattr(encoder.config, "type_vocab_size", None)  # XLNet has none and takes any
        takes = "token_type_ids" in inspect.signature(encoder.forward).parameters
        self.reads_segments = takes and (segments is None or int(segments) > 1)
        self.pad_id = int(getattr(encoder.config, "pad_token_id", None) or 0)
        freeze_unused(self.encoder)
        self.encoder.train()

    @classmethod
    def pretrained(cls, name: str | Path) -> LanguageModel:
        """Architecture and weights of what `name` stands for, see `locate`; only safetensors, as they hold no code."""
        with opened(name) as (place, options):
            config = read_config(place, options)
            options |= {"use_safetensors": True, "output_loading_info": True}
            encoder, report = AutoModel.from_pretrained(place, config=config, **options)
        lacking = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if lacking:
            raise LanguageModelError(
                f"the weights of {name!r} lack {len(lacking)} tensors, such as {lacking[0]}"
            )
        return cls(encoder)

    @classmethod
    def untrained(cls, folder: Path) -> LanguageModel:
        """The architecture that `save_language` left in a folder, randomly initialised, to load weights into."""
        with opened(folder) as (place, options):
            build: Any = AutoModel.from_config  # it carries no types
            return cls(build(read_config(place, options), trust_remote_code=False))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """ids, types (B, L) int64; mask (B, L), True = real token → last hidden states (B, L, width), zero in padding.

        Without types the family's own default stands. A row without real tokens is zero, never NaN.
        """
        ids = ids.masked_fill(
            ~mask, self.pad_id
        )  # RoBERTa counts positions by ids, whatever the mask says
        empty = ~mask.any(1, keepdim=True)
        attended = mask | (empty & (torch.arange(mask.shape[1], device=mask.device) == 0))
        segments = {} if types is None else {"token_type_ids": types.masked_fill(~mask, 0)}
        hidden: Tensor = self.encoder(
            input_ids=ids, attention_mask=attended.long(), **segments
        ).last_hidden_state
        return hidden.masked_fill(~mask[..., None], 0.0)


def save_language(folder: Path, language: LanguageModel, tokenizer: Tokenizer) -> None:
    """Leave in a folder what `LanguageModel.untrained` and `Tokenizer.load` need."""
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with quiet():
        language.encoder.config.save_pretrained(aside)
        tokenizer.tokenizer.save_pretrained(aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def freeze_unused(encoder: Any, segments: bool = False) -> None:
    """Freeze what the hidden states do not depend on (poolers, XLNet's mask embedding).

    Data-parallel training waits for a gradient of every parameter that asks for one. segments: the
    encoder will be told each token's segment.
    """
    encoder.eval()
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    if not weights:
        return
    ids = torch.zeros(1, 2, dtype=torch.int64, device=weights[0].device)
    inputs = {"token_type_ids": ids} if segments else {}
    with torch.enable_grad():
        hidden = encoder(
            input_ids=ids, attention_mask=torch.ones_like(ids), **inputs
        ).last_hidden_state
        gradients = torch.autograd.grad(hidden.sum(), weights, allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.requires_grad_(gradient is not None)
