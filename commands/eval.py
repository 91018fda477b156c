"""The command eval: scores of one run or several, comparisons, missing input and calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import missing_requests, require_run, without_modalities
from semanticmac.commands.eval_extras import Extras, run_extras
from semanticmac.commands.options import (
    CACHE,
    RUNS,
    AsJson,
    CacheDir,
    Device,
    Draws,
    DroppedWords,
    Missing,
    RunsDir,
    Without,
)
from semanticmac.commands.scored_runs import require_dataset, runs_of, score_run
from semanticmac.commands.ui.scores import (
    print_scores,
    print_tables,
    print_trust,
    scores_json_of,
    write_files,
)
from semanticmac.commands.ui.screen import echo, err, print_notes

_MORE = "More than the score table"
_FILES = "Files"


def eval_(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]…", help="Run folders, as --run.")
    ] = None,
    split: Annotated[str, typer.Option(help="test, valid, train or all.")] = "test",
    run: Annotated[
        list[Path] | None, typer.Option(help="Run folder; repeatable: seeds of one model.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The run trained last on this dataset.")
    ] = None,
    runs: RunsDir = RUNS,
    cache: CacheDir = CACHE,
    paper: Annotated[
        str, typer.Option(help="Models of the paper to show: own, all or none.")
    ] = "own",
    compare: Annotated[
        bool, typer.Option("--compare", help="Each run against the first.", rich_help_panel=_MORE)
    ] = False,
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Each modality subset.", rich_help_panel=_MORE)
    ] = False,
    drop_rate: Annotated[
        bool,
        typer.Option(
            "--drop-rate", help="Frames and modalities dropped at random.", rich_help_panel=_MORE
        ),
    ] = False,
    calibration: Annotated[
        bool,
        typer.Option("--calibration", help="Confidence against the truth.", rich_help_panel=_MORE),
    ] = False,
    missing: Missing = None,
    draws: Draws = 5,
    dropped_words: DroppedWords = "absent",
    as_json: AsJson = False,
    csv: Annotated[
        Path | None, typer.Option(help="Write the table as CSV.", rich_help_panel=_FILES)
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(help="Write the table as LaTeX.", rich_help_panel=_FILES)
    ] = None,
    device: Device = "auto",
    without: Without = None,
) -> None:
    """Score trained models on a split, beside constant baselines and the paper's own numbers.

    Several runs, or the folder of `train --seeds`, are seeds of one model: mean and sample spread.
    With --compare, each run is compared with the first.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.core import SPLITS
    from semanticmac.eval.report.score_tables import PAPER_MODELS
    from semanticmac.run.folder import RunInfo, absent_modalities
    from semanticmac.run.newest import newest_model

    chosen: list[Path] = []
    for folder in [*(folders or []), *(run or [])] or [newest_model(runs, dataset)]:
        chosen += runs_of(folder)
    splits = SPLITS if split == "all" else (split,)
    protocols = missing_requests(missing, draws, dropped_words)
    extras = Extras(compare, subsets, drop_rate, calibration, protocols)
    if not set(splits) <= set(SPLITS):
        raise typer.BadParameter(f"--split {split}: expected {', '.join(SPLITS)} or all")
    absent_names = without_modalities(without)
    require_dataset(chosen, dataset, several=compare)
    for folder in chosen:
        absent_modalities(RunInfo.read(folder), absent_names)
    if paper not in PAPER_MODELS:
        raise typer.BadParameter(f"--paper {paper}: expected {', '.join(PAPER_MODELS)}")
    if compare and len(chosen) < 2:
        raise typer.BadParameter(
            "--compare needs two runs or more: semanticmac eval --compare RUN RUN"
        )
    if len(chosen) > 1 and extras.need_model:
        raise typer.BadParameter(
            "--subsets, --drop-rate and --calibration are of one run: give one --run"
        )
    if protocols and (compare or absent_names):
        raise typer.BadParameter(
            "--missing scores complete clips at rate 0 and the runs of one model: leave out "
            "--compare and --without"
        )
    if len(splits) > 1 and (csv or latex or as_json):
        raise typer.BadParameter(
            "--json, --csv and --latex are of one split: give --split train, valid or test"
        )

    layout = CacheLayout(cache)
    for folder in chosen:
        require_run(folder, layout)

    # Imported here because it loads torch: whatever is mistyped was refused before.
    from semanticmac.run.device import pick_device

    torch_device = pick_device(device)
    for part in splits:
        results = [score_run(folder, layout, part, torch_device, absent_names) for folder in chosen]
        extra_results = run_extras(results, layout, part, device, extras)
        if as_json:
            content = scores_json_of(results, paper) | extra_results.json
            print(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False))
        else:
            if not compare:
                print_scores(results, paper)
                print_trust(results)
            print_tables(extra_results.tables)
        print_notes(list(extra_results.notes))
        write_files(results, paper, csv, latex)
        for path in extra_results.written:
            echo(err, f"written to {path}", "dim")
