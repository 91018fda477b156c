"""How many texts did not fit into the language model whole, counted before training starts."""

from __future__ import annotations

from collections.abc import Sequence

from semanticmac.cache.dataset import ClipDataset
from semanticmac.model.text_encoder import Tokenizer

_AT_ONCE = 256


def count_cut(tokenize: Tokenizer, splits: Sequence[ClipDataset]) -> dict[str, int]:
    """Over all clips of the splits: how many `texts` lost their end, and how many `contexts` their beginning."""
    counts = {"clips": sum(map(len, splits)), "texts": 0, "contexts": 0}
    for split in splits:
        texts, contexts = split.texts()
        for start in range(0, len(texts), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            tokens = (
                tokenize(texts[part]) if contexts is None else tokenize(texts[part], contexts[part])
            )
            counts["texts"] += tokens.cut
            counts["contexts"] += tokens.context_cut
    return counts


def cut_note(counts: dict[str, int], max_tokens: int) -> str | None:
    """One line for a person; None where everything fits."""
    parts = [
        f"{counts[what]} of {counts['clips']} {what} lost their {lost}"
        for what, lost in (("texts", "end"), ("contexts", "oldest words"))
        if counts.get(what)
    ]
    return f"longer than max_tokens={max_tokens}: {', '.join(parts)}" if parts else None
