"""The pages of the server, from templates; every text is escaped."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import Response
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined

from semanticmac.core import MODALITIES
from semanticmac.eval.report.template import TEMPLATES as REPORT_TEMPLATES
from semanticmac.eval.report.timeline_page import timeline_page
from semanticmac.eval.timeline import Timeline
from semanticmac.serve.catalogue import Model
from semanticmac.serve.jobs import Job
from semanticmac.serve.settings import ServeSettings

TEMPLATES = Path(__file__).parent / "templates"
# The modalities in the words of the page.
MODALITY_NAMES = {"text": "text", "audio": "voice (audio)", "vision": "face (vision)"}


@cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader([FileSystemLoader(TEMPLATES), FileSystemLoader(REPORT_TEMPLATES)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, *, http_status: int = 200, **values: Any) -> Response:
    """A page of this folder."""
    html = _environment().get_template(template).render(**values)
    return Response(html, http_status, media_type="text/html")


def error_page(status: int, reason: str, headers: dict[str, str]) -> Response:
    """A page that says why a request was refused."""
    response = render("error.html", http_status=status, title="This did not work", reason=reason)
    response.headers.update(headers)
    return response


def index_page(models: list[Model], settings: ServeSettings) -> Response:
    """The start page: a place for a recording, and the models."""
    return render(
        "index.html",
        title="Predict a recording",
        models=models,
        modalities=[(name, MODALITY_NAMES[name]) for name in MODALITIES],
        max_bytes=settings.max_bytes,
        max_megabytes=settings.max_bytes // (1 << 20),
        max_minutes=settings.max_seconds / 60,
        keep_hours=settings.keep_hours,
    )


def job_page(job: Job, status: dict[str, Any]) -> Response:
    """The page of a job that has no result: its progress, or why it failed."""
    return render("job.html", title=job.name, job=job, status=status)


def timeline_response(job: Job, timeline: Timeline, *, has_player: bool) -> Response:
    """The time line of a job, under a bar with downloads and a button that deletes the job."""
    page = timeline_page(timeline, f"/jobs/{job.id}/player" if has_player else None)
    policy = page.policy.replace("form-action 'none'", "form-action 'self'")
    response = render("view.html", page=replace(page, policy=policy), job=job)
    response.headers["content-security-policy"] = f"{policy}; frame-ancestors 'none'"
    return response
