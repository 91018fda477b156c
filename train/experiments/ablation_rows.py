"""The rows of the ablation table.

This file loads no torch, so that a wrong name is answered at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from semanticmac.train.config import ConfigError

# Row → the settings that it changes. Rows of the paper's table have the names of
# eval/report/paper/ablation_mosei.csv.
ROWS: dict[str, dict[str, Any]] = {
    "full": {},
    "frame_embedding": {"frame_embedding": False},
    "perceiver": {"perceiver": False},
    "perceiver_layer_norm": {"perceiver_layer_norm": False},
    "perceiver_residual": {"perceiver_residual": False},
    "modality_embedding": {"modality_embedding": False},
    "sgfi": {"sgfi": False},
    "multi_query": {"multi_query": False},
    "bridge_tokens": {"bridge_tokens": 0},
    "gated_relu": {"gated_relu": False},
    "momentum": {"momentum": False},
    "pseudo_labels": {"pseudo_labels": False},
    "multi_task": {"multi_task": False},
    "intra": {"intra": False},
    "inter": {"inter": False},
    "contrastive": {"contrastive": False},
}


def require_rows(names: Iterable[str]) -> None:
    """Raises ConfigError for a row that does not exist."""
    for name in names:
        if name not in ROWS:
            raise ConfigError(f"there is no ablation row {name!r}; rows: {', '.join(ROWS)}")
