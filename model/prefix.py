"""Prefix fusion: a decoder reads the text, then audio and vision, then a readout token."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.source import LanguageModelError

_SAMPLED_EMBEDDINGS = 1024


class PrefixFusion(nn.Module):
    """Puts the affect tokens of audio and vision into the input of a decoder, as soft prompts.

    The decoder reads: text, audio, vision, readout token. A token sees those before it only, so the
    states of the text depend on the text alone, and that of the readout token on everything.
    """

    norm: Tensor

    def __init__(self, config: ModelConfig, language: nn.Module) -> None:
        """Raises LanguageModelError for a language model that is no decoder."""
        super().__init__()
        if not isinstance(language, LanguageModel) or not language.family.causal:
            raise LanguageModelError(
                f"fusion=prefix needs a decoder (Qwen, Llama, Gemma, …), and {config.language} is "
                "none: use fusion=sgfi"
            )
        self.project = nn.Linear(config.d_model, language.width)
        self.register_buffer("norm", embedding_norm(language))
        self.readout = nn.Parameter(torch.randn(language.width))

    def forward(
        self,
        language: LanguageModel,
        ids: Tensor,
        mask: Tensor,
        affect: Sequence[Tensor],
        affect_masks: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Token ids (B, L) and affect tokens X_a, X_v (B, T, d) → hidden states of the decoder.

        In a mask (B, L) or (B, T) True = real. Returns the states of the text's tokens (B, L, D),
        zero in padding, and that of the readout token (B, D).
        """
        text = language.embed(ids, mask)  # (B, L, D)
        affect_prompt = self.soft_prompt(self.project(torch.cat(list(affect), dim=1)))
        readout = self.soft_prompt(self.readout).expand(len(ids), 1, -1)
        tokens = torch.cat([text, affect_prompt.to(text.dtype), readout.to(text.dtype)], dim=1)
        last = mask.new_ones(len(ids), 1)
        real = torch.cat([mask, *affect_masks, last], dim=1)  # (B, S)

        # Real tokens first, in their order: then no padding stands between them.
        order = torch.argsort((~real).long(), dim=1, stable=True)
        packed = _at(tokens, order)
        states = language.read_embeddings(packed, real.gather(1, order))  # (B, S, D)

        places = torch.argsort(order, dim=1)  # where each token went
        text_states = _at(states, places[:, : ids.shape[1]])
        readout_state = _at(states, places[:, -1:])[:, 0]
        return text_states.masked_fill(~mask[..., None], 0.0), readout_state

    def soft_prompt(self, tokens: Tensor) -> Tensor:
        """(…, D) → the same directions, as long as an average embedding of the decoder."""
        return F.normalize(tokens, dim=-1) * self.norm


def embedding_norm(language: LanguageModel) -> Tensor:
    """The mean length of the decoder's input embeddings, a scalar."""
    rows = int(language.encoder.config.vocab_size)
    device = next(language.parameters()).device
    ids = torch.arange(0, rows, max(1, rows // _SAMPLED_EMBEDDINGS), device=device)[None]
    with torch.no_grad():
        embeddings = language.embed(ids, torch.ones_like(ids, dtype=torch.bool))
        norms: Tensor = torch.linalg.vector_norm(embeddings.float(), dim=-1)
        return norms.mean()


def _at(tokens: Tensor, positions: Tensor) -> Tensor:
    """tokens (B, T, D), positions (B, n) → (B, n, D).

    Indexed by token: the backward pass of `gather` would sort every number of every token.
    """
    row = torch.arange(len(tokens), device=tokens.device)[:, None]  # (B, 1)
    return tokens[row, positions]
