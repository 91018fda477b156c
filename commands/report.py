"""The command report: one page on one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.options import CACHE, RUNS, CacheDir, Device, Run, RunArgument, RunsDir
from semanticmac.commands.ui.screen import echo, err, out, print_notes


def report(
    folder: RunArgument = None,
    run: Run = None,
    runs: RunsDir = RUNS,
    cache: CacheDir = CACHE,
    split: Annotated[str, typer.Option(help="test, valid or train.")] = "test",
    to: Annotated[
        Path | None, typer.Option(help="File to write. Default: RUN/report-SPLIT.html.")
    ] = None,
    video: Annotated[
        str, typer.Option(help="Players of the clips with the largest errors: link, or none.")
    ] = "link",
    device: Device = "auto",
) -> None:
    """Write one HTML page on a run: summary, scores, analyses, largest errors, settings.

    It needs no network.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.common import given_once, require_run
    from semanticmac.run.newest import newest_run

    if video not in ("link", "none"):
        raise typer.BadParameter(f"--video {video}: expected link or none")
    folder = given_once(folder, run, "--run") or newest_run(runs)
    layout = CacheLayout(cache)
    require_run(folder, layout)

    # Imported here because they load torch: a mistyped path was refused before.
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.eval.report.page import build, require_writable, write
    from semanticmac.run.device import pick_device
    from semanticmac.run.weights import load_run

    torch_device = pick_device(device)
    data = EvalData.open(load_run(folder, torch_device), layout, torch_device)
    path = to or folder / f"report-{split}.html"
    require_writable(path)
    with Screen(err) as screen:
        page = build(data, folder, split, screen.progress, path if video == "link" else None)
        write(page, path)
    print_notes([f"{name} is left out: {reason}" for name, reason in page.left_out])
    echo(out, f"written to {path}")
