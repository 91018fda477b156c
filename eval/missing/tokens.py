"""Tokens of texts with dropped words."""

from __future__ import annotations

from semanticmac.cache.batch import Tokenize
from semanticmac.eval.missing.request import TextDrop
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.run.folder import RunError


def substitute_of(tokenize: Tokenize, text: TextDrop) -> str:
    """What stands for a dropped word. Raises RunError where the tokenizer has no such token."""
    if text == "absent" or not isinstance(tokenize, Tokenizer):
        return ""
    if not tokenize.unknown_token:
        raise RunError(
            "the tokenizer of this model has no token for unknown words, so a dropped word cannot "
            "be replaced by it: use absent"
        )
    return tokenize.unknown_token


def read_once(tokenize: Tokenize) -> Tokenize:
    """The same tokenizer without a memory of texts: a text with dropped words comes once."""
    return tokenize.without_memory() if isinstance(tokenize, Tokenizer) else tokenize
