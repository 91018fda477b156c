"""The description of the endpoint: what FastAPI cannot see, and a plain page of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi.responses import Response

from semanticmac.serve.pages import render

_FIELDS: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "description": "What is said, if it is known."},
    "run": {"type": "string", "description": "Name of a model of /runs. Default: the first one."},
    "without": {"type": "string", "description": "Modalities to leave out: text, audio, vision."},
    "use": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Modalities to use; the others are left out.",
    },
}


def _query_parameter(name: str, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": f"With a bare body: {description}",
    }


# The body of POST /predict is read piece by piece, so FastAPI does not know its fields.
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}, **_FIELDS},
                }
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "parameters": [
        _query_parameter("name", "the name of the file."),
        _query_parameter("text", "what is said."),
        _query_parameter("run", "name of a model."),
        _query_parameter("without", "modalities to leave out."),
    ],
}
_REFUSALS = {
    400: "The body is damaged, cut off or empty",
    401: "The token is missing or wrong",
    403: "The request comes from a page of another site",
    408: "The upload is too slow",
    413: "The recording is too large",
    415: "The body is of another kind",
    422: "Unknown run or modality",
    429: "Too many uploads from this address",
    503: "The queue is full",
    507: "The disk is full",
}
RESPONSES: dict[int | str, dict[str, Any]] = {}
for _status, _reason in _REFUSALS.items():
    RESPONSES[_status] = {"description": _reason}


@dataclass(frozen=True)
class Operation:
    """One path and method of the page."""

    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[tuple[str, str, str], ...]  # (name, place, description)
    bodies: tuple[str, ...]
    responses: tuple[tuple[str, str], ...]


def api_page(schema: dict[str, Any]) -> Response:
    """A page of the schema that needs no script and no other server."""
    operations = []
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            operations.append(_operation(path, method, about))
    return render("api.html", title="API", operations=operations)


def _operation(path: str, method: str, about: dict[str, Any]) -> Operation:
    parameters = []
    for parameter in about.get("parameters", ()):
        parameters.append((parameter["name"], parameter["in"], parameter.get("description", "")))
    bodies = []
    for kind, content in about.get("requestBody", {}).get("content", {}).items():
        fields = content["schema"].get("properties", {})
        bodies.append(f"{kind}: {', '.join(fields)}" if fields else kind)
    responses = []
    for status, response in about["responses"].items():
        responses.append((status, response["description"]))
    return Operation(
        method.upper(),
        path,
        about.get("summary", ""),
        about.get("description", ""),
        tuple(parameters),
        tuple(bodies),
        tuple(responses),
    )
