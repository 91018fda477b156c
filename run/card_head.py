"""The YAML head of a model card, as the model hub reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from semanticmac.run.folder import RunInfo
from semanticmac.run.scores import StoredScores

LIBRARY = "semanticmac"
PIPELINE = "video-classification"


def card_head(info: RunInfo, scores: StoredScores | None, licence: str | None) -> list[str]:
    """The lines of the head, with the marks around it."""
    fields: dict[str, Any] = {
        "library_name": LIBRARY,
        "pipeline_tag": PIPELINE,
        "tags": _tags(info),
    }
    if licence is not None:
        fields["license"] = licence
    if scores is not None:
        results = _results(info, scores)
        if results:
            fields["model-index"] = [
                {"name": f"{LIBRARY}-{_slug(info.corpus)}", "results": results}
            ]
    # Every JSON value is a YAML value too, so no name of a corpus can break out of the head.
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    return ["---", *lines, "---", ""]


def _tags(info: RunInfo) -> Sequence[str]:
    return [
        LIBRARY,
        "affective-computing",
        info.task.kind,
        _slug(info.corpus),
        *info.model.modalities,
    ]


def _results(info: RunInfo, scores: StoredScores) -> list[dict[str, Any]]:
    """The metrics on test that have a value."""
    metrics = []
    for metric in scores.metrics:
        if metric.value is not None:
            kind = _slug(metric.name.lower())
            metrics.append({"type": kind, "name": metric.name, "value": metric.value})
    if not metrics:
        return []
    corpus = _slug(info.corpus)
    dataset = {"name": corpus, "type": corpus, "split": "test"}
    return [{"task": {"type": PIPELINE}, "dataset": dataset, "metrics": metrics}]


def _slug(name: str) -> str:
    """A name without characters that mean something in YAML, Markdown or HTML."""
    return re.sub(r"[^a-zA-Z0-9._]+", "-", name).strip("-")
