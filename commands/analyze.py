"""The command analyze: the paper's analyses, each as pictures and as numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semanticmac.commands.options import CACHE, RUNS, CacheDir, Device, Run, RunsDir
from semanticmac.commands.ui.screen import echo, err, out, print_notes

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout


def analyze(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME…",
            help="calibration, missing, protocols, conflict, cases, attention, labels, embedding, "
            "balance, probe, frames; or all of them.",
        ),
    ],
    run: Run = None,
    runs: RunsDir = RUNS,
    cache: CacheDir = CACHE,
    split: Annotated[str, typer.Option(help="test, valid or train.")] = "test",
    to: Annotated[
        Path | None, typer.Option(help="Folder for the files. Default: RUN/analysis.")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN",
            help="balance, conflict: another run in the same picture, such as one on other "
            "embeddings; repeatable.",
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Analyse a trained model: each analysis leaves PNG, SVG and its numbers as CSV.

    `all` leaves out the analyses that this run does not support, with the reason. An analysis that
    is given by name must work.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.commands.common import require_run
    from semanticmac.eval.analysis.catalogue import (
        ANALYSES,
        AnalysisError,
        analysis,
        require_analyses,
    )
    from semanticmac.run.newest import newest_run

    everything = names == ["all"]
    if beside and names not in (["balance"], ["conflict"]):
        raise typer.BadParameter(
            "--beside puts runs beside each other in `analyze balance` and `analyze conflict` alone"
        )
    if not everything:
        require_analyses(names)
    folder = run or newest_run(runs)
    layout = CacheLayout(cache)
    for path in (folder, *(beside or ())):
        require_run(path, layout)

    # Imported here because they load torch: a mistyped path was refused before.
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.run.device import pick_device
    from semanticmac.run.notes import stream_notes
    from semanticmac.run.weights import load_run

    if beside:
        [name] = names
        _write_beside(name, [folder, *beside], layout, split, device, to or folder / "analysis")
        return
    asked = {name: analysis(name) for name in (ANALYSES if everything else names)}
    torch_device = pick_device(device)
    data = EvalData.open(load_run(folder, torch_device), layout, torch_device)
    print_notes([*stream_notes(data.streams), *data.notes])
    written: list[str] = []
    try:
        with Screen(err) as screen:
            for done, (name, analyse) in enumerate(asked.items()):
                screen.progress("analyses", done, len(asked), 0)
                try:
                    found = analyse(data, folder, split)
                except AnalysisError as error:
                    if not everything:
                        raise
                    screen.line(f"note: {name} is left out: {error}")
                    continue
                files = found.write(to or folder / "analysis")
                written.append(f"{name}: {', '.join(map(str, files))}")
            screen.progress("analyses", len(asked), len(asked), 0)
    finally:
        # When the bars are gone: they are redrawn over whatever else is printed.
        for line in written:
            echo(out, line)


def _write_beside(
    name: str, runs: list[Path], layout: CacheLayout, split: str, device: str, to: Path
) -> None:
    """One analysis of several runs in one picture and one table."""
    from semanticmac.eval.analysis.catalogue import analysis_beside
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.run.device import pick_device
    from semanticmac.run.notes import stream_notes
    from semanticmac.run.weights import load_run

    torch_device = pick_device(device)
    opened = []
    for run in runs:
        data = EvalData.open(load_run(run, torch_device), layout, torch_device)
        print_notes([*stream_notes(data.streams), *data.notes])
        opened.append((run.name, data))
    files = analysis_beside(name)(opened, split).write(to)
    echo(out, f"{name}: {', '.join(map(str, files))}")
