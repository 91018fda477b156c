"""LanguageModel: a pre-trained text encoder that is fine-tuned."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel

from semanticmac.model.language.pretrained import (
    LanguageModelError,
    open_pretrained,
    quiet,
    read_config,
)
from semanticmac.model.language.tokenizer import Tokenizer


class LanguageModel(nn.Module):
    """A pre-trained text encoder (BERT, RoBERTa, XLNet, sentence-BERT, …): ids → hidden states."""

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
        """Architecture and weights; name as in `locate`. Only safetensors are read: no code."""
        with open_pretrained(name) as (source, options):
            config = read_config(source, options)
            options |= {"use_safetensors": True, "output_loading_info": True}
            encoder, report = AutoModel.from_pretrained(source, config=config, **options)
        lacking = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if lacking:
            raise LanguageModelError(
                f"the weights of {name!r} lack {len(lacking)} tensors, such as {lacking[0]}"
            )
        return cls(encoder)

    @classmethod
    def untrained(cls, folder: Path) -> LanguageModel:
        """The architecture in a folder of `save_language`, with random weights."""
        with open_pretrained(folder) as (source, options):
            build: Any = AutoModel.from_config  # it carries no types
            return cls(build(read_config(source, options), trust_remote_code=False))

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """Token ids → last hidden states (B, L, width), zero in padding.

        ids, types (B, L) int64; mask (B, L), True = real token. Without types the encoder uses its
        default. A row without real tokens is zero, never NaN.
        """
        # RoBERTa counts positions by the ids, not by the mask.
        ids = ids.masked_fill(~mask, self.pad_id)
        empty = ~mask.any(1, keepdim=True)
        attended = mask | (empty & (torch.arange(mask.shape[1], device=mask.device) == 0))
        segments = {} if types is None else {"token_type_ids": types.masked_fill(~mask, 0)}
        hidden: Tensor = self.encoder(
            input_ids=ids, attention_mask=attended.long(), **segments
        ).last_hidden_state
        return hidden.masked_fill(~mask[..., None], 0.0)


def save_language(folder: Path, language: LanguageModel, tokenizer: Tokenizer) -> None:
    """Writes the files that `LanguageModel.untrained` and `Tokenizer.load` read."""
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with quiet():
        language.encoder.config.save_pretrained(aside)
        tokenizer.tokenizer.save_pretrained(aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def freeze_unused(encoder: Any, segments: bool = False) -> None:
    """Freezes the weights that do not change the hidden states, such as poolers.

    Data-parallel training waits for a gradient of every parameter that requires one. segments:
    whether the encoder will get the segment of each token.
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
