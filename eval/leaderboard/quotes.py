"""Numbers that papers print for a model of the leaderboard."""

from __future__ import annotations

from semanticmac.eval.leaderboard.result import Quote
from semanticmac.eval.report.paper import ARXIV, load_quoted


def quotes_of(model: str, corpus: str) -> tuple[Quote, ...]:
    """The rows of the paper's tables for this model and corpus; `self-mm` is its Self-MM.

    The metric is a key of the paper, as acc7. Of several variants (BERT, XLNet) each has its name
    in the source.
    """
    quotes = []
    for row in load_quoted():
        if row.dataset == corpus and _is_model(row.model, model):
            quotes.append(Quote(row.key, row.printed, f"{row.model}, {row.setting}, {ARXIV}"))
    return tuple(quotes)


def _is_model(printed: str, model: str) -> bool:
    """`SemanticMAC-BERT` is semanticmac; `MFN` is not `graph-mfn`."""
    for variant in ("-BERT", "-XLNet", "-RoBERTa"):
        printed = printed.removesuffix(variant)
    name = printed.lower()
    return name in (model, {"concat": "lf-dnn"}.get(model))
