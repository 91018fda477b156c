"""Tokens that a language model does not know, as with a text in another language."""

from __future__ import annotations

import torch

from semanticmac.model.language.tokenizer import Tokenizer, Tokens

UNKNOWN_SHARE = 0.05  # a larger share of unknown tokens is reported


def count_unknown(tokenize: Tokenizer, tokens: Tokens) -> tuple[int, int]:
    """Number of unknown tokens, and of all tokens that stand for text.

    Tokens that mark the start or end of a text are not counted. A tokenizer of bytes knows all.
    """
    unknown_id = tokenize.tokenizer.unk_token_id
    special = torch.tensor(tokenize.tokenizer.all_special_ids, dtype=torch.int64)
    ids = tokens.ids[tokens.mask]
    total = int((~torch.isin(ids, special)).sum())
    if unknown_id is None or _marks_texts(tokenize, unknown_id):
        return 0, total
    unknown = int((ids == unknown_id).sum())
    return unknown, total + unknown


def _marks_texts(tokenize: Tokenizer, token_id: int) -> bool:
    """True if the token also starts or ends texts, as in GPT-2."""
    tokenizer = tokenize.tokenizer
    marks = (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.cls_token_id,
        tokenizer.sep_token_id,
    )
    return token_id in marks
