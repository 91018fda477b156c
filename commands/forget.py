"""The command forget: removes clips from the cache."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semanticmac.commands.options import CACHE, RUNS, CacheDir, RunsDir
from semanticmac.commands.ui.screen import echo, err, out, set_resume_hint
from semanticmac.core import counted

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.removal_plan import Removal


def forget(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="CLIP|VIDEO",
            help="A clip_id, or the path of a video. Without it: finish a removal that was killed.",
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Where to look for it. Default: every dataset of the cache.")
    ] = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and change nothing.")
    ] = False,
) -> None:
    """Remove a clip or a video from the cache: frames, faces, embeddings, rows.

    Their bytes are no longer in the files of the cache. The program says what remains elsewhere.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.removal import unfinished
    from semanticmac.cache.removal_plan import plan_removal
    from semanticmac.preprocess.corpora.notes import preview

    layout = CacheLayout(cache)
    set_resume_hint("`semanticmac forget` finishes it", state="The removal was not finished")
    stopped = unfinished(layout)
    if stopped is not None and dry_run:
        echo(err, f"a removal of {stopped.target} was stopped: it would be finished first")
    elif stopped is not None:
        echo(err, f"finishing the removal of {stopped.target}")
        _remove(layout, stopped)
    if target is None:
        if stopped is None:
            raise typer.BadParameter(
                "expected a clip_id or the path of a video: no removal is unfinished"
            )
        return

    removal = plan_removal(layout, target, dataset)
    for name, clip_ids in removal.rows.items():
        echo(out, f"{name}: {counted(len(clip_ids), 'clip')} ({preview(clip_ids)})")
    for remark in removal.remarks:
        echo(out, f"note: {remark}")
    if dry_run:
        return
    if not yes and not _confirmed():
        raise typer.Abort
    _remove(layout, removal)
    _print_remains(removal, runs)


def _confirmed() -> bool:
    """The user's answer. Raises BadParameter where there is no terminal to ask at."""
    try:
        return typer.confirm("Remove them from the cache?")
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        raise typer.BadParameter(
            "there is no terminal to confirm the removal at, so nothing was removed: give --yes"
        ) from None


def _remove(layout: CacheLayout, removal: Removal) -> None:
    from semanticmac.cache.removal import remove
    from semanticmac.commands.ui.progress import Screen

    with Screen(err) as screen, layout.build_lock():
        removed = remove(layout, removal, screen.progress)
    parts = [
        counted(removed.rows, "row"),
        f"the frames of {counted(removed.frames, 'clip')}",
        f"{counted(removed.embeddings, 'clip')} in streams of embeddings",
    ]
    if removed.faces:
        parts.append(f"the faces of {counted(removed.faces, 'clip')}")
    echo(out, f"removed: {', '.join(parts)}")
    for name in removed.datasets:
        echo(out, f"{name} had no other clip and was removed altogether")


def _print_remains(removal: Removal, runs: Path) -> None:
    """What the cache cannot remove."""
    from semanticmac.run.mentions import mentions

    echo(out, "What remains, and is yours to delete:")
    echo(out, "- the original video, its transcript, and the label files of the corpus;")
    echo(out, "  caching the corpus again adds the clip again, unless --exclude names it")
    for mention in mentions(runs, list(removal.rows), removal.clip_ids):
        text = f"- {mention.run}: a model that was trained on this dataset"
        if mention.files:
            text += f"; the clip is named in {', '.join(mention.files)}"
        echo(out, text)
    echo(out, "- time lines, tables of results and exports that name it;")
    echo(out, "- copies and backups of the cache, and what the disk keeps of deleted files")
