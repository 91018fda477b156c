"""The unknown token in place of dropped words."""

from __future__ import annotations

import pytest
import torch

from semanticmac.eval.missing.drop import Drop
from semanticmac.eval.missing.tokens import substitute_of
from semanticmac.run.folder import RunError


def test_unknown_token_replaces_a_word(walks):
    data = walks["regression"].open()
    substitute = substitute_of(data.trained.tokenize, "unk")
    assert substitute_of(data.trained.tokenize, "absent") == ""
    [complete] = data.batches(data.rows("test"))
    [dropped] = data.batches(data.rows("test"), Drop("same", 0.9, substitute=substitute))
    # Each dropped word is one token, so no text becomes absent.
    assert torch.equal(complete.token_mask.any(1), dropped.token_mask.any(1))
    unknown = data.trained.tokenize.tokenizer.unk_token_id
    assert (dropped.token_ids == unknown).sum() > (complete.token_ids == unknown).sum()


def test_a_tokenizer_without_an_unknown_token_is_refused(walks):
    tokenize = walks["regression"].open().trained.tokenize.without_memory()

    class NoUnknown:
        unk_token = None

    tokenize.tokenizer = NoUnknown()
    with pytest.raises(RunError, match="no token for unknown words"):
        substitute_of(tokenize, "unk")
