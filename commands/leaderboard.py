"""The command leaderboard: every model with the same budget of trials and seeds."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from semanticmac.commands.options import (
    CACHE,
    RUNS,
    CacheDir,
    Dataset,
    Device,
    Draws,
    DroppedWords,
    FromCache,
    Missing,
    RunsDir,
    Settings,
)
from semanticmac.commands.ui.screen import (
    CLIPS_FAILED,
    echo,
    err,
    out,
    print_notes,
    print_uncropped,
    set_resume_hint,
)
from semanticmac.core import counted


def leaderboard(
    context: typer.Context,
    from_cache: FromCache = True,
    dataset: Dataset = None,
    models: Annotated[
        str | None, typer.Option(help="Names with commas between. Default: all models.")
    ] = None,
    streams: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE,…",
            help="Settings of the streams, such as vision=NAME,audio=NAME; repeat to compare.",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Seeds: their number (5) or a list (1,2,7).")] = "5",
    trials: Annotated[
        int, typer.Option(help="Random trials of each model; 0: its default settings.", min=0)
    ] = 20,
    set_: Settings = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    plan: Annotated[bool, typer.Option("--plan", help="Print the expected time and stop.")] = False,
    note: Annotated[
        list[str] | None,
        typer.Option(help="A remark for the tables and the result file; repeatable."),
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(help="Result files for --to; repeatable. Nothing is trained.", metavar="FILE"),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Write the page docs/leaderboard.md from --results.")
    ] = None,
    missing: Missing = None,
    draws: Draws = 5,
    dropped_words: DroppedWords = "absent",
    device: Device = "auto",
) -> None:
    """Compare models: tune each with the same number of trials, train seeds, score on test.

    The same command resumes where it was stopped. Several of them at once share the work.
    """
    if results or to is not None:
        _require_no_other_options(context)
        _write_page(results or [], to)
        return
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.cache.manifest import Manifest
    from semanticmac.cache.windows import longest_dialogue
    from semanticmac.commands.common import cached_dataset, changed_settings, missing_requests
    from semanticmac.train.experiments.leaderboard.entrants import entrants, leaderboard_models
    from semanticmac.train.experiments.seed_list import parse_seeds

    protocols = missing_requests(missing, draws, dropped_words)
    seed_list = tuple(parse_seeds(seeds, 1))
    layout = CacheLayout(cache)
    name = cached_dataset(layout, dataset)
    manifest = Manifest.read(layout.manifest(name))
    corpus = manifest.corpus
    has_dialogues = longest_dialogue(manifest.rows) > 1
    asked = leaderboard_models(dialogues=has_dialogues)
    if models is not None:
        asked = [model.strip() for model in models.split(",") if model.strip()]
        if not asked:
            raise typer.BadParameter("--models names no model: leave it out for all of them")
    chosen = entrants(name, corpus, asked, streams or (), changed_settings(set_, None), trials)
    folder = runs / f"leaderboard-{name}"

    from semanticmac.commands.ui.epochs import callbacks_for
    from semanticmac.commands.ui.leaderboard import leaderboard_table, plan_table
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval.leaderboard.missing import TERMINAL_RATES, missing_tables
    from semanticmac.eval.leaderboard.write import write_leaderboard
    from semanticmac.eval.report.write_terminal import to_terminal
    from semanticmac.run.device import pick_device
    from semanticmac.run.notes import stream_notes
    from semanticmac.train.data import open_data
    from semanticmac.train.experiments.leaderboard.begun import trainings_left
    from semanticmac.train.experiments.leaderboard.chosen_streams import (
        with_chosen_streams,
        write_chosen_streams,
    )
    from semanticmac.train.experiments.leaderboard.collect import collect
    from semanticmac.train.experiments.leaderboard.plan import plan_time
    from semanticmac.train.experiments.leaderboard.request import Request
    from semanticmac.train.experiments.leaderboard.run import run_leaderboard
    from semanticmac.train.experiments.leaderboard.trainable import (
        require_equal_test,
        without_untrainable,
    )
    from semanticmac.train.experiments.runs import require_test_labels

    data = {}
    chosen = with_chosen_streams(chosen, folder)
    for entrant in chosen:
        if entrant.streams not in data:
            config = entrant.config
            data[entrant.streams] = open_data(layout, name, config.vision, config.audio)
            require_test_labels(data[entrant.streams])
            opened = data[entrant.streams]
            read = opened.streams
            print_notes([f"embeddings: {read.describe()}", *stream_notes(read), *opened.notes])
    require_equal_test(data)
    torch_device = pick_device(device)
    chosen, left_out = without_untrainable(chosen, data, torch_device, named=models is not None)
    print_notes([*left_out, *_absent_libraries(pictures=bool(protocols))])
    request = Request(tuple(chosen), trials, seed_list, folder, data, protocols)
    left = trainings_left(request, torch_device)
    counts = [(len(chosen), "model"), (len(seed_list), "seed"), (trials, "trial")]
    what = "".join(f", {counted(count, noun)}" for count, noun in counts) + f" → {folder}"
    echo(err, Text.assemble("leaderboard of ", (name, "bold"), what))
    if any(left):
        print_uncropped(err, plan_table(plan_time(chosen, left, data, torch_device)))
    if plan:
        return

    write_chosen_streams({choice: opened.streams for choice, opened in data.items()}, folder)
    # The settings name the streams from the first run on, as they do when it is resumed.
    request = replace(request, entrants=tuple(with_chosen_streams(chosen, folder)))
    set_resume_hint("the same command goes on")
    with Screen(err) as screen:
        every_tuned = run_leaderboard(request, layout, torch_device, callbacks_for(screen))
    set_resume_hint()
    board = collect(request, every_tuned, torch_device)
    board = replace(board, notes=(*board.notes, *left_out, *(note or ())))
    print_uncropped(out, leaderboard_table(board))
    for table in missing_tables(board, TERMINAL_RATES):
        print_uncropped(out, to_terminal(table))
    written, written_notes = write_leaderboard(board, folder)
    print_notes(written_notes)
    for path in written:
        echo(err, f"written to {path}", "dim")
    for row in board.rows:
        if any(seed.failure is not None for seed in row.seeds):
            raise typer.Exit(CLIPS_FAILED)


def _absent_libraries(*, pictures: bool) -> list[str]:
    """The files that will not be written, said before the training. pictures: of missing data."""
    notes = []
    install = "pip install 'semanticmac[report]'"
    if find_spec("jinja2") is None:
        notes.append(f"leaderboard.html will not be written: it needs Jinja2, {install}")
    if pictures and find_spec("matplotlib") is None:
        notes.append(f"curves of missing data will have no picture: it needs Matplotlib, {install}")
    return notes


def _require_no_other_options(context: typer.Context) -> None:
    """--results and --to only write a page; another option would be ignored."""
    others = []
    for option in context.command.params:
        name = option.name or ""
        source = context.get_parameter_source(name)
        is_given = source is not None and source.name == "COMMANDLINE"
        if is_given and name not in ("results", "to"):
            others.append(option.opts[0])
    if others:
        raise typer.BadParameter(
            f"--results and --to write a page and train nothing: leave out {', '.join(others)}"
        )


def _write_page(results: list[Path], to: Path | None) -> None:
    from semanticmac.cache.atomic_io import write_text
    from semanticmac.eval.leaderboard.markdown import to_markdown
    from semanticmac.eval.leaderboard.result import Leaderboard

    if not results or to is None:
        raise typer.BadParameter("--results and --to belong together: both name files")
    boards = [Leaderboard.read(path) for path in results]
    write_text(to, to_markdown(boards))
    echo(err, f"written to {to}", "dim")
