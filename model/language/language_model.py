"""LanguageModel: a pre-trained encoder or decoder that turns texts into hidden states."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForTextEncoding

from semanticmac.hub import quiet_transformers
from semanticmac.model.language.base import BASE_FILE, LanguageBase, write_base
from semanticmac.model.language.family import Pooling, family_of
from semanticmac.model.language.pretrained import (
    four_bit_options,
    open_pretrained,
    read_config,
    surplus_tensors,
)
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer

Weights = Literal["auto", "float32", "bfloat16", "4bit"]


class LanguageModel(nn.Module):
    """A pre-trained language model (BERT, XLNet, T5, Qwen, Llama, …): ids → hidden states."""

    def __init__(self, encoder: Any, *, frozen: bool = False) -> None:
        """encoder: a base model of transformers, in the type that its weights are kept in.

        frozen: its weights will not be trained.
        """
        super().__init__()
        config = encoder.config
        self.family = family_of(config)
        if self.family.kind == "encoder-decoder" and hasattr(encoder, "decoder"):
            raise LanguageModelError(
                f"{type(encoder).__name__} has a decoder; give its encoder alone"
            )
        config.use_cache = False  # A cache serves generation, and nothing is generated.
        self.encoder = encoder
        self.width = int(config.hidden_size)
        self.base: LanguageBase | None = None  # set if a run keeps only what is trained
        self.surplus: tuple[str, ...] = ()  # tensors of the checkpoint that were not read
        self.pooling: Pooling = self.family.pooling
        self.window = 0  # length of the windows of a long text; 0 = a text is read at once

        parameters = inspect.signature(encoder.forward).parameters
        segments = getattr(config, "type_vocab_size", None)  # XLNet has none and takes any
        self.reads_segments = (
            "token_type_ids" in parameters
            and not self.family.causal
            and (segments is None or int(segments) > 1)
        )
        self.takes_positions = "position_ids" in parameters and not _counts_positions(encoder)
        self.pad_id = _pad_id(config)
        if frozen:
            encoder.requires_grad_(False)
        else:
            freeze_unused(encoder)
        encoder.train()

    @classmethod
    def pretrained(
        cls, name: str | Path, weights: Weights = "float32", *, frozen: bool = False
    ) -> LanguageModel:
        """Architecture and weights; name as in `locate`. No code of a model folder is run.

        weights: how they are kept; auto is bfloat16 for a frozen decoder, else float32.
        Raises LanguageModelError if the checkpoint lacks a tensor.
        """
        with open_pretrained(name) as (source, options):
            config = read_config(source, options)
            if weights == "auto":
                half = frozen and family_of(config).causal
                weights = "bfloat16" if half else "float32"
            if weights != "float32" and config.model_type == "xlnet":
                raise LanguageModelError(
                    "XLNet computes its positions in float32 alone: use language_weights=float32"
                )
            options |= {"output_loading_info": True, "weights_only": True}
            options["dtype"] = torch.float32 if weights == "float32" else torch.bfloat16
            if weights == "4bit":
                options |= four_bit_options()
            encoder, report = _auto_class(config).from_pretrained(source, config=config, **options)
        lacking = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
        if lacking:
            raise LanguageModelError(
                f"the weights of {name!r} lack {len(lacking)} tensors, such as {lacking[0]}"
            )
        if weights == "float32":
            encoder.float()
        language = cls(encoder, frozen=frozen)
        language.surplus = surplus_tensors(report["unexpected_keys"])
        return language

    @classmethod
    def untrained(cls, folder: Path) -> LanguageModel:
        """The architecture in a folder of `save_language`, with random weights in float32."""
        with open_pretrained(folder) as (source, options):
            config = read_config(source, options)
            build: Any = _auto_class(config).from_config
            return cls(build(config, trust_remote_code=False).float())

    def forward(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """Token ids → last hidden states (B, L, width) in float32, zero in padding.

        ids, types (B, L) int64; mask (B, L), True = real token; padding may stand anywhere. Without
        types the model uses its default. A row without real tokens is zero, never NaN.
        """
        if self.window and ids.shape[1] > self.window:
            return self._read_windows(ids, mask)
        inputs = {"input_ids": ids.masked_fill(~mask, self.pad_id)}
        if types is not None:
            inputs["token_type_ids"] = types.masked_fill(~mask, 0)
        return self._read(inputs, mask)

    @property
    def weights_dtype(self) -> torch.dtype:
        """The type that most weights are kept in."""
        dtype: torch.dtype = self.encoder.get_input_embeddings().weight.dtype
        return dtype

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids → their input embeddings (B, L, width), for `read_embeddings`."""
        embeddings: Tensor = self.encoder.get_input_embeddings()(
            ids.masked_fill(~mask, self.pad_id)
        )
        return embeddings

    def read_embeddings(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Like `forward`, for input embeddings (B, L, width) in place of ids."""
        return self._read({"inputs_embeds": embeddings}, mask)

    def _read(self, inputs: dict[str, Tensor], mask: Tensor) -> Tensor:
        empty = ~mask.any(1, keepdim=True)
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        attended = (mask | (empty & first)).long()
        if self.takes_positions:
            # Counted over real tokens, so that padding on the left moves no token.
            inputs["position_ids"] = (attended.cumsum(1) - 1).clamp(min=0)
        hidden: Tensor = self.encoder(attention_mask=attended, **inputs).last_hidden_state
        if hidden.dtype == torch.bfloat16 and not torch.is_autocast_enabled(hidden.device.type):
            hidden = hidden.float()
        return hidden.masked_fill(~mask[..., None], 0.0)

    def _read_windows(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Reads each window of `window` tokens alone → the states of all of them (B, L, width)."""
        clips, length = ids.shape
        missing = -length % self.window
        windows = F.pad(ids, (0, missing)).reshape(-1, self.window)  # (B·W, w)
        real = F.pad(mask, (0, missing)).reshape(-1, self.window)
        used = real.any(1)
        used[0] = True  # A batch without text still runs the model.
        states = self._read(
            {"input_ids": windows[used].masked_fill(~real[used], self.pad_id)}, real[used]
        )
        hidden = states.new_zeros(len(windows), self.window, self.width)
        hidden = hidden.index_put((used.nonzero()[:, 0],), states)
        return hidden.reshape(clips, -1, self.width)[:, :length]


def save_language(folder: Path, language: LanguageModel, tokenizer: Tokenizer) -> None:
    """Writes the files that `LanguageModel.untrained` and `Tokenizer.load` read."""
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    with quiet_transformers():
        language.encoder.config.save_pretrained(aside)
        tokenizer.tokenizer.save_pretrained(aside)
    if language.base is not None:
        write_base(aside / BASE_FILE, language.base)
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


def _auto_class(config: Any) -> Any:
    """The class of transformers that loads the model; of an encoder-decoder the encoder alone."""
    if family_of(config).kind == "encoder-decoder":
        return AutoModelForTextEncoding
    return AutoModel


def _counts_positions(encoder: Any) -> bool:
    """True if the model counts positions from the ids, as RoBERTa and MPNet do."""
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    return getattr(table, "padding_idx", None) is not None


def _pad_id(config: Any) -> int:
    """An id that stands in padding; some decoders have no padding token, or the id -1."""
    pad_id = int(getattr(config, "pad_token_id", None) or 0)
    return pad_id if 0 <= pad_id < config.vocab_size else 0
