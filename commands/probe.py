"""The command probe: ranks the cached streams of a dataset by linear probes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semanticmac.commands.common import cached_dataset
from semanticmac.commands.options import CACHE, AsJson, CacheDir, Dataset
from semanticmac.commands.ui.screen import echo, err, out, print_notes, print_uncropped

if TYPE_CHECKING:
    from semanticmac.eval.stream_probe import ProbeReport

OUTPUT = Path("data/probe")


def probe(
    dataset: Dataset = None,
    cache: CacheDir = CACHE,
    streams: Annotated[
        list[str] | None,
        typer.Option(
            "--streams",
            metavar="NAME",
            help="Encoders to probe, with commas between, or repeated. Default: every stream.",
        ),
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Another cached dataset with the same clip ids, such as imported features; "
            "repeatable.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="The split that is scored: valid or test.")] = "valid",
    leave_out: Annotated[
        str | None, typer.Option(help="`speaker`: leave out one speaker after the other instead.")
    ] = None,
    standardise: Annotated[
        str, typer.Option(help="train, or speaker: each speaker's features by their own mean.")
    ] = "train",
    to: Annotated[
        Path | None, typer.Option(help="Folder for picture and CSV. Default: data/probe/DATASET.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rank encoders: a ridge or logistic regression on every cached stream and layer.

    The regression reads the mean and the deviation of each clip's embeddings. Its penalty is chosen
    within train. Clips without a modality get the constant prediction.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.manifest import Manifest

    if leave_out not in (None, "speaker"):
        raise typer.BadParameter(f"--leave-out {leave_out}: expected `speaker`")
    if standardise not in ("train", "speaker"):
        raise typer.BadParameter(f"--standardise {standardise}: expected `train` or `speaker`")
    layout = CacheLayout(cache)
    name = cached_dataset(layout, dataset)
    manifest = Manifest.read(layout.manifest(name))

    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval.report.probe_table import probe_json, probe_table
    from semanticmac.eval.report.write_terminal import to_terminal
    from semanticmac.eval.stream_features import choose_features
    from semanticmac.eval.stream_probe import plan_probe, run_probe

    plan = plan_probe(manifest, split, leave_out or "", standardise == "speaker")
    chosen = choose_features(layout, manifest, plan.rows, _names(streams), beside or ())
    with Screen(err) as screen:
        report = run_probe(plan, chosen.streams, screen.progress, chosen.notes)
    if as_json:
        typer.echo(json.dumps(probe_json(report), indent=1))
        return
    print_uncropped(out, to_terminal(probe_table(report)))
    _write_picture(report, to or OUTPUT / name)


def _names(words: list[str] | None) -> list[str]:
    names = []
    for word in words or ():
        for name in word.split(","):
            if name.strip():
                names.append(name.strip())
    return names


def _write_picture(report: ProbeReport, folder: Path) -> None:
    try:
        from semanticmac.eval.analysis.ranking import ranking
    except ImportError as error:
        print_notes([f"no picture was written: {error}"])
        return
    files = ranking(report).write(folder)
    echo(out, f"written to {', '.join(map(str, files))}")
