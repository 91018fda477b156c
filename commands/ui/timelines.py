"""Finished time lines, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from semanticmac.commands.ui.safe_console import plain_text
from semanticmac.eval.report.timeline_page import common_notes, common_remarks
from semanticmac.eval.report.timeline_shapes import clock

if TYPE_CHECKING:
    from semanticmac.commands.predict_timelines import FinishedTimeline
    from semanticmac.eval.timeline import Timeline


def timelines_table(finished: Sequence[FinishedTimeline]) -> Table:
    """One row a recording, with its page."""
    table = Table(
        title="time lines",
        caption=plain_text(_remarks(finished)),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
    )
    table.add_column("recording", overflow="fold")
    for column in ("length", "utterances", "flagged", "failed"):
        table.add_column(column, justify="right")
    table.add_column("page", overflow="fold")
    for each in finished:
        timeline = each.timeline
        page = each.files.page if each.files.page.exists() else each.files.table
        table.add_row(
            plain_text(timeline.video.rsplit("/", 1)[-1]),
            clock(round(timeline.seconds)),
            str(len(timeline.moments)),
            str(_flagged(timeline)),
            str(timeline.failed),
            plain_text(str(page)),
        )
    return table


def timelines_json(finished: Sequence[FinishedTimeline]) -> list[dict[str, object]]:
    """The files of every time line."""
    entries: list[dict[str, object]] = []
    for each in finished:
        page = str(each.files.page) if each.files.page.exists() else None
        entries.append(
            {
                "video": each.timeline.video,
                "seconds": each.timeline.seconds,
                "utterances": len(each.timeline.moments),
                "flagged": _flagged(each.timeline),
                "failed": each.timeline.failed,
                "page": page,
                "table": str(each.files.table),
                "json": str(each.files.json),
                "remarks": list(each.timeline.remarks),
            }
        )
    return entries


def _flagged(timeline: Timeline) -> int:
    """Utterances that are unlike the train clips."""
    count = 0
    for moment in timeline.moments:
        if moment.prediction is not None and moment.prediction.unusual:
            count += 1
    return count


def _remarks(finished: Sequence[FinishedTimeline]) -> str:
    """All remarks once, with the recording in front where there are several.

    A remark that most utterances share is among them, as on the page.
    """
    remarks: dict[str, None] = {}
    for each in finished:
        name = each.timeline.video.rsplit("/", 1)[-1]
        moments = each.timeline.moments
        common = common_notes(common_remarks(moments), len(moments))
        for remark in (*each.timeline.remarks, *common):
            remarks[f"{name}: {remark}" if len(finished) > 1 else remark] = None
    return "\n".join([*remarks, "flagged: unlike the train clips, so the prediction means little"])
