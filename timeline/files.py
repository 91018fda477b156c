"""The files of a finished time line: a page, a table and JSON."""

from __future__ import annotations

import base64
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.report.timeline_csv import timeline_csv
from semanticmac.eval.report.timeline_page import render_timeline
from semanticmac.eval.timeline import Timeline, TimelineError
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.small_copy import small_copy

VideoOnPage = Literal["link", "embed", "none"]
NO_PAGE = "no page is written: it needs Jinja2, run `pip install 'semanticmac[report]'`"


class TimelineFiles:
    """The files of one recording in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.page = folder / f"{name}.html"
        self.table = folder / f"{name}.csv"
        self.json = folder / f"{name}.json"
        self.unfinished = folder / f".{name}.unfinished"

    def read(self) -> Timeline | None:
        """The time line that an earlier call wrote; None without a readable one."""
        try:
            return Timeline.from_json(self.json.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, TimelineError):
            return None

    def write(self, timeline: Timeline, video: VideoOnPage) -> tuple[str, ...]:
        """Writes all files, the JSON last. Returns remarks on the page."""
        write_text(self.table, timeline_csv(timeline))
        remarks: list[str] = []
        if find_spec("jinja2") is None:
            remarks.append(NO_PAGE)
        else:
            url: str | None = None
            try:
                url = self._video_url(timeline, video)
            except DecodeError as error:
                remarks.append(f"the page has no video: {error}")
            write_text(self.page, render_timeline(timeline, video_url=url))
        write_text(self.json, timeline.to_json() + "\n")
        return tuple(remarks)

    def _video_url(self, timeline: Timeline, video: VideoOnPage) -> str | None:
        path = Path(timeline.video)
        if video == "none":
            return None
        if video == "embed":
            copy = small_copy(path, timeline.seconds)
            return "data:video/mp4;base64," + base64.b64encode(copy).decode("ascii")
        relative = os.path.relpath(path.absolute(), self.page.parent.absolute())
        return quote(os.fsencode(relative))
