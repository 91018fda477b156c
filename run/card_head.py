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
# Names that the model hub has for common licences of weights. It refuses a card with a name that it
# does not know, so others stand in the field that it leaves to the author.
HUB_LICENCES = (
    "afl-3.0",
    "agpl-3.0",
    "apache-2.0",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-nd-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "cc-by-sa-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "lgpl-3.0",
    "mit",
    "mpl-2.0",
    "openrail",
    "other",
    "unknown",
    "unlicense",
)


def card_head(info: RunInfo, scores: StoredScores | None, licence: str | None) -> list[str]:
    """The lines of the head, with the marks around it."""
    fields: dict[str, Any] = {
        "library_name": LIBRARY,
        "pipeline_tag": PIPELINE,
        "tags": _tags(info),
    }
    if licence is not None:
        fields.update(licence_fields(licence))
    if scores is not None:
        results = _results(info, scores)
        if results:
            fields["model-index"] = [
                {"name": f"{LIBRARY}-{_slug(info.corpus)}", "results": results}
            ]
    # Every JSON value is a YAML value too, so no name of a corpus can break out of the head.
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    return ["---", *lines, "---", ""]


def licence_fields(licence: str) -> dict[str, Any]:
    """The fields of a licence: a name of the hub, or `other` with the name as it was given."""
    name = licence.lower()
    if name in HUB_LICENCES:
        return {"license": name}
    return {"license": "other", "license_name": _slug(licence)}


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
