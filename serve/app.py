"""The application: pages, the endpoint and its description."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from semanticmac import __version__
from semanticmac.eval.report.timeline_csv import timeline_csv
from semanticmac.serve.catalogue import Model
from semanticmac.serve.describe import BODY, RESPONSES, api_page
from semanticmac.serve.guard import Guard, wants_page
from semanticmac.serve.jobs import ENDED, PLAYABLE
from semanticmac.serve.login import add_login
from semanticmac.serve.pages import error_page, index_page, job_page, timeline_response
from semanticmac.serve.server import JobStatus, Server
from semanticmac.serve.settings import MAX_STREAMS
from semanticmac.serve.uploads import UploadError

STATIC = Path(__file__).parent / "static"
PING_S = 15.0
# Nothing in an upload is ever run.
SANDBOX = {"content-security-policy": "default-src 'none'; sandbox"}


def create_app(server: Server) -> ASGIApp:
    """The whole application, with its guard around it. The store is open."""
    settings = server.settings

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        server.runner.open()
        yield
        await server.runner.close()

    app = FastAPI(
        title="SemanticMAC",
        version=__version__,
        summary="Text, voice and face of a recording, apart and together.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_errors(app)
    _add_pages(app, server)
    _add_jobs(app, server)
    _add_results(app, server)
    _add_removal(app, server)
    add_login(app, settings)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return Guard(app, settings)


def _add_errors(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, UploadError)
        headers = {"connection": "close"}
        if error.status in (429, 503):
            headers["retry-after"] = "60"
        return _error(request, error.status, str(error), headers)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = error.detail
        if reason == "Not Found":
            reason = "there is no such page"
        return _error(request, error.status_code, reason, dict(error.headers or {}))

    async def failed(request: Request, error: Exception) -> Response:
        # The server of HTTP writes the traceback to the log.
        return _error(request, 500, "the server failed: its log says why", {})

    app.add_exception_handler(Exception, failed)
    app.add_exception_handler(UploadError, refused)
    app.add_exception_handler(HTTPException, http_error)


def _error(request: Request, status: int, reason: str, headers: dict[str, str]) -> Response:
    if wants_page(request.headers):
        return error_page(status, reason, headers)
    return JSONResponse({"error": reason}, status, headers)


def _add_pages(app: FastAPI, server: Server) -> None:
    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return index_page(server.catalogue.models(), server.settings)

    @app.get("/view/{job_id}", include_in_schema=False)
    async def view(job_id: str) -> Response:
        job = server.job(job_id)
        if job.state != "done":
            return job_page(job, asdict(server.status(job)))
        _, timeline = server.finished(job_id)
        return timeline_response(job, timeline, has_player=server.player(job) is not None)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return api_page(app.openapi())

    @app.get("/health", summary="Whether the server answers", tags=["server"])
    async def health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}


def _add_jobs(app: FastAPI, server: Server) -> None:
    @app.get("/runs", summary="The models to choose from", tags=["server"])
    async def list_runs() -> list[Model]:
        return server.catalogue.models()

    @app.post(
        "/predict",
        status_code=202,
        response_model=JobStatus,
        summary="Send a recording",
        tags=["jobs"],
        openapi_extra=BODY,
        responses=RESPONSES,
    )
    async def predict(request: Request) -> Response:
        """Send a form with the field file, or the bare file as the body.

        The answer comes when the recording is safe on the disk; the job then outlives a restart of
        the server.
        """
        job = await server.accept(request)
        page = f"/view/{job.id}"
        if wants_page(request.headers):
            return Response(status_code=303, headers={"location": page})
        headers = {"location": f"/jobs/{job.id}"}
        return JSONResponse(asdict(server.status(job)) | {"page": page}, 202, headers)

    @app.get("/jobs/{job_id}", summary="The state of a job", tags=["jobs"])
    async def job_status(job_id: str) -> JobStatus:
        return server.status(server.job(job_id))

    @app.get(
        "/jobs/{job_id}/events",
        summary="Follow a job: server-sent events, each with its whole state",
        tags=["jobs"],
        response_class=StreamingResponse,
    )
    async def events(job_id: str) -> Response:
        server.job(job_id)
        if server.streams >= MAX_STREAMS:
            raise HTTPException(503, "too many clients follow jobs: ask /jobs/ID instead")
        return StreamingResponse(_follow(server, job_id), media_type="text/event-stream")


def _add_results(app: FastAPI, server: Server) -> None:
    @app.get("/jobs/{job_id}/result", summary="The time line as JSON", tags=["jobs"])
    async def result(job_id: str) -> JSONResponse:
        _, timeline = server.finished(job_id)
        return JSONResponse(json.loads(timeline.to_json()))

    @app.get("/jobs/{job_id}/result.csv", summary="The time line as CSV", tags=["jobs"])
    async def result_csv(job_id: str) -> Response:
        _, timeline = server.finished(job_id)
        headers = {"content-disposition": 'attachment; filename="timeline.csv"'}
        return Response(timeline_csv(timeline), media_type="text/csv", headers=headers)

    @app.get("/jobs/{job_id}/media", summary="The recording itself", tags=["jobs"])
    async def media(job_id: str) -> FileResponse:
        job = server.job(job_id)
        # The name of the client's file is not in the answer.
        headers = dict(SANDBOX)
        kind = PLAYABLE.get(job.suffix)
        if kind is None:
            headers["content-disposition"] = "attachment"
        path = server.store.media(job)
        return FileResponse(path, media_type=kind or "application/octet-stream", headers=headers)

    @app.get("/jobs/{job_id}/player", include_in_schema=False)
    async def player(job_id: str) -> FileResponse:
        playable = server.player(server.job(job_id))
        if playable is None:
            raise HTTPException(404, "no browser can play this recording")
        return FileResponse(playable[0], media_type=playable[1], headers=SANDBOX)


def _add_removal(app: FastAPI, server: Server) -> None:
    @app.delete("/jobs/{job_id}", status_code=204, summary="Delete a job", tags=["jobs"])
    async def delete(job_id: str) -> Response:
        """The recording and its result are removed; a running job is stopped."""
        await server.runner.delete(server.job(job_id))
        return Response(status_code=204)

    @app.post("/jobs/{job_id}/delete", include_in_schema=False)
    async def delete_by_form(job_id: str) -> Response:
        await server.runner.delete(server.job(job_id))
        return Response(status_code=303, headers={"location": "/"})


async def _follow(server: Server, job_id: str) -> AsyncIterator[str]:
    """The state of a job whenever it changes, until it has ended or is deleted."""
    server.streams += 1
    try:
        last = None
        while True:
            version = server.runner.version
            job = server.store.get(job_id)
            if job is None:
                yield "event: deleted\ndata: {}\n\n"
                return
            status = asdict(server.status(job))
            if status != last:
                yield f"event: status\ndata: {json.dumps(status)}\n\n"
                last = status
            else:
                yield ": the connection is alive\n\n"
            if job.state in ENDED:
                return
            await server.runner.wait_for_change(version, PING_S)
    finally:
        server.streams -= 1
