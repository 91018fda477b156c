"""The command line: each verb parses, calls one function and prints. Heavy imports stay inside the verbs."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, cast

import click
import typer
from rich.console import Console

if TYPE_CHECKING:
    from semanticmac.console.progress import Screen
    from semanticmac.preprocess.build import BuildReport
    from semanticmac.preprocess.corpora import Options

DAMAGED, BAD_INPUT, CLIPS_FAILED, STOPPED = 1, 2, 3, 130  # exit codes, beside 0

out, err = Console(), Console(stderr=True)
app = typer.Typer(
    help="Sentiment, emotion, humour and sarcasm from human-spoken videos. "
    "`cache` turns raw videos into embeddings once; `train`, `eval` and everything after read only that cache.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CacheDir = Annotated[Path, typer.Option("--cache", envvar="SEMANTICMAC_CACHE", help="Folder of the feature cache.")]
RunsDir = Annotated[Path, typer.Option("--runs", envvar="SEMANTICMAC_RUNS", help="Folder that holds the runs.")]
Run = Annotated[Path | None, typer.Option("--run", help="Run folder. Default: the one trained last.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 …")]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="MODALITY", help="Make text, audio or vision absent; repeatable."),
]
Workers = Annotated[int | None, typer.Option(help="Decoding processes. Default: one a CPU core.", min=1)]
EncoderName = Annotated[
    str | None, typer.Option("--encoder", help="imagebind-huge, imagebind-tiny, or a weights file.")
]
CACHE, RUNS = Path("data/cache"), Path("runs")

_LISTS = "Lists of your own (docs/datasets/README.md)"
Splits = Annotated[
    Path | None, typer.Option(help="CSV clip_id (or video_id), split: replaces the split.", rich_help_panel=_LISTS)
]
Exclude = Annotated[Path | None, typer.Option(help="CSV clip_id: clips to leave out.", rich_help_panel=_LISTS)]
Labels = Annotated[Path | None, typer.Option(help="CSV clip_id, label: replaces labels.", rich_help_panel=_LISTS)]
NameInCache = Annotated[str | None, typer.Option("--name", help="Name in the cache, to keep several folders apart.")]
SplitBy = Annotated[
    str | None,
    typer.Option(
        metavar="video",
        help="Split anew, the clips of one source video together.",
        rich_help_panel=_LISTS,
    ),
]
Fold = Annotated[int | None, typer.Option(help="mustard: official fold, from 0.", min=0, rich_help_panel=_LISTS)]


@app.callback(invoke_without_command=True)
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        from semanticmac import __version__

        out.print(__version__, highlight=False)
        raise typer.Exit


@app.command()
def cache(
    dataset: Annotated[str, typer.Argument(help="mosi, mosei, sims, iemocap, meld, urfunny, mustard, folder, demo …")],
    root: Annotated[Path | None, typer.Option(help="Folder of its download. Default: data/DATASET.")] = None,
    cache: CacheDir = CACHE,
    encoder: EncoderName = None,
    device: Device = "auto",
    workers: Workers = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N clips, for a try.", min=1)] = None,
    only: Annotated[str | None, typer.Option(help="frames or embeddings: one of the two loops alone.")] = None,
    repair: Annotated[bool, typer.Option(help="First check every byte, and make again what is damaged.")] = False,
    picture: Annotated[str, typer.Option(help="How frames are stored: jpeg-QUALITY, or png (lossless).")] = "jpeg-95",
    name: NameInCache = None,
    splits: Splits = None,
    exclude: Exclude = None,
    labels: Labels = None,
    split_by: SplitBy = None,
    fold: Fold = None,
) -> None:
    """Decode raw videos and encode them with frozen ImageBind, once. Run it again to go on or to add what is new."""
    lists = _lists(splits, exclude, labels, split_by, fold)
    _cache(dataset, root, cache, encoder, device, workers, limit, only, repair, name, lists, picture)


def _cache(
    dataset: str,
    root: Path | None,
    cache: Path,
    encoder: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    limit: int | None = None,
    only: str | None = None,
    repair: bool = False,
    name: str | None = None,
    lists: Options | None = None,
    picture: str = "jpeg-95",
) -> None:
    from dataclasses import replace

    from semanticmac.cache.home import CacheHome
    from semanticmac.cache.keys import Sampling
    from semanticmac.console.progress import Screen
    from semanticmac.preprocess.build import Plan, build
    from semanticmac.preprocess.corpora import Options, read_corpus

    if only not in (None, "frames", "embeddings"):
        raise click.UsageError(f"--only {only}: expected `frames` or `embeddings`")
    _check_name(name)
    root = root or Path("data") / dataset
    corpus = read_corpus(dataset, root, lists or Options())
    corpus = replace(corpus, name=name or corpus.name, clips=corpus.clips[:limit])
    for note in corpus.notes:
        err.print(f"note: {note}", style="yellow", highlight=False, markup=False)
    encoder = encoder or ("imagebind-tiny" if dataset == "demo" else "imagebind-huge")
    with Screen(err) as screen:
        loaded = None if only == "frames" else _encoder(encoder, device, screen)
        sampling = Sampling(picture=picture)
        plan = Plan(root, workers or _cores(), sampling, frames=only != "embeddings", repair=repair)
        report = build(corpus, CacheHome(cache), loaded, plan, screen.progress)
    _print_report(report, CacheHome(cache).failures(corpus.name))


@app.command("import-features")
def import_features(
    file: Annotated[Path, typer.Argument(help="MMSA feature pickle (.pkl), or .npz with a .csv beside it.")],
    dataset: Annotated[str, typer.Option(help="The corpus it is of, which says what the labels mean: mosi, sims …")],
    cache: CacheDir = CACHE,
    name: NameInCache = None,
    zero_infinite: Annotated[
        bool, typer.Option("--zero-infinite", help="Read −inf in audio as 0, as MMSA does.")
    ] = False,
) -> None:
    """Cache features that somebody else extracted, to train and eval on them. Nothing in the file is ever run."""
    from semanticmac.cache.home import CacheHome
    from semanticmac.console.progress import Screen
    from semanticmac.preprocess.foreign import import_features

    _check_name(name)
    with Screen(err) as screen:
        report = import_features(file, dataset, CacheHome(cache), screen.progress, name, zero_infinite)
    _print_notes(report.notes)
    out.print(f"{report.dataset}: {report.clips - report.failed} of {report.clips} clips are imported", highlight=False)
    _print_failures(CacheHome(cache).failures(report.dataset))
    if report.failed:
        raise typer.Exit(CLIPS_FAILED)


datasets = typer.Typer(help="The public corpora: what they are, where to get them, whether a download is whole.")
app.add_typer(datasets, name="datasets", invoke_without_command=True)


@datasets.callback()
def datasets_(context: typer.Context) -> None:
    """The public corpora: what they are, where to get them, and whether your download is whole."""
    from semanticmac.console.datasets import corpora_table
    from semanticmac.preprocess.corpora.cards import CARDS

    if context.invoked_subcommand is None:
        out.print(corpora_table(CARDS.values()))
        out.print("more: `semanticmac datasets show NAME`, `semanticmac datasets check NAME --root DIR`", style="dim")


@datasets.command("show")
def datasets_show(name: Annotated[str, typer.Argument(help="mosi, mosei, sims, iemocap, meld …")]) -> None:
    """Everything to know of one corpus before its download."""
    from semanticmac.console.datasets import corpus_table
    from semanticmac.preprocess.corpora.cards import CARDS

    if name not in CARDS:
        raise click.UsageError(f"there is no public corpus {name!r}; expected one of {', '.join(CARDS)}")
    out.print(corpus_table(CARDS[name]))


@datasets.command("check")
def datasets_check(
    name: Annotated[str, typer.Argument(help="mosi, mosei, sims, iemocap, meld, urfunny, mustard, folder …")],
    root: Annotated[Path | None, typer.Option(help="Folder of its download. Default: data/NAME.")] = None,
    splits: Splits = None,
    exclude: Exclude = None,
    labels: Labels = None,
    split_by: SplitBy = None,
    fold: Fold = None,
) -> None:
    """Is the download whole? Reads labels and file names, decodes nothing; exit code 0 only where it is."""
    from semanticmac.console.datasets import check_view
    from semanticmac.preprocess.corpora import NAMES
    from semanticmac.preprocess.corpora.check import check_corpus

    if name not in NAMES:
        raise click.UsageError(f"no corpus is called {name!r}; expected one of {', '.join(NAMES)}")
    report = check_corpus(name, root or Path("data") / name, _lists(splits, exclude, labels, split_by, fold))
    out.print(check_view(report))
    if not report.complete:
        raise typer.Exit(DAMAGED)


@app.command()
def train(
    from_cache: Annotated[
        bool, typer.Option("--from-cache", help="Read the feature cache; there is no other way.")
    ] = True,
    dataset: Annotated[str | None, typer.Option(help="Default: the one cached last.")] = None,
    cache: CacheDir = CACHE,
    run: Annotated[Path | None, typer.Option(help="Folder to make. Default: RUNS/DATASET-001, -002 …")] = None,
    runs: RunsDir = RUNS,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting; repeatable.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Train SemanticMAC on a cached dataset; the best epoch by validation is kept in a run folder."""
    _train(dataset, cache, run, runs, seed, set_ or [], device)


def _train(
    dataset: str | None, cache: Path, run: Path | None, runs: Path, seed: int | None, settings: list[str], device: str
) -> Path:
    from semanticmac.cache.home import CacheHome
    from semanticmac.console.epochs import EpochLines
    from semanticmac.console.progress import Screen
    from semanticmac.eval.evaluate import encoder_notes
    from semanticmac.eval.run import new_run, pick_device
    from semanticmac.train.config import override, parse_settings, preset
    from semanticmac.train.loop import open_data, train

    home = CacheHome(cache)
    name = home.require(dataset)
    changes = parse_settings(settings) | ({} if seed is None else {"seed": seed})
    config = override(preset(name), changes)
    data = open_data(home, name)
    folder = new_run(runs, name) if run is None else new_run(run.parent, name, run)
    err.print(f"training on [bold]{name}[/] ({len(data.train)} clips, validated on {len(data.valid)}) → {folder}")
    unseen = [name for name in config.model.modalities if name not in data.modalities]
    _print_notes(encoder_notes(data.manifest.fingerprint))
    _print_notes([f"no train clip has {name}: the model is trained without it" for name in unseen])
    with Screen(err) as screen:
        show, note = EpochLines(screen).show, lambda note: _print_notes([note])
        info = train(config, data, folder, pick_device(device), screen.progress, show, note)
    err.print(f"best epoch {info.best_epoch}: {info.valid_metric} {info.valid_score:.4f}", highlight=False)
    err.print(f"next: `semanticmac eval --run {folder}`", highlight=False)
    return folder


@app.command("eval")
def eval_(
    split: Annotated[str, typer.Option(help="test, valid or train.")] = "test",
    run: Run = None,
    dataset: Annotated[str | None, typer.Option(help="The run trained last on this dataset.")] = None,
    runs: RunsDir = RUNS,
    cache: CacheDir = CACHE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    device: Device = "auto",
    without: Without = None,
) -> None:
    """Score a trained model on a split, beside constant baselines and the paper's own numbers."""
    from semanticmac.eval.run import newest_run

    _eval(split, run or newest_run(runs, dataset), cache, as_json, device, without or ())


def _eval(split: str, folder: Path, cache: Path, as_json: bool, device: str, without: Sequence[str] = ()) -> None:
    from semanticmac.cache.home import CacheHome
    from semanticmac.eval.evaluate import evaluate
    from semanticmac.eval.report import class_table, confusion_table, score_table
    from semanticmac.eval.run import load_run, pick_device

    trained = load_run(folder, pick_device(device))
    result = evaluate(trained, CacheHome(cache), split, pick_device(device), without)
    intervals, notes = result.intervals, result.notes
    written = result.write(folder)
    if as_json:
        print(result.to_json(folder))
        return
    out.print(f"run {folder}, seed {trained.info.seed}, best epoch {trained.info.best_epoch}", highlight=False)
    out.print(score_table(result.scores, result.dataset, split, intervals=intervals, notes=notes))
    if result.scores.classes:
        out.print(class_table(result.scores))
    if result.scores.confusion:
        out.print(confusion_table(result.scores))
    err.print(f"written to {written}", style="dim", highlight=False)


@app.command()
def predict(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO…", help="Files and folders, any container ffmpeg reads.")
    ],
    run: Run = None,
    runs: RunsDir = RUNS,
    text: Annotated[str | None, typer.Option(help="What is said; without it text is absent.")] = None,
    encoder: EncoderName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    device: Device = "auto",
    workers: Workers = None,
    without: Without = None,
) -> None:
    """Predict raw videos: the same decoding and encoding as the cache, then the trained model.

    Each video is predicted by itself, without context, whatever setting the model was trained in.
    """
    _predict(videos, run, runs, text, encoder, as_json, device, workers, without or ())


def _predict(
    videos: list[Path],
    run: Path | None,
    runs: Path,
    text: str | None,
    encoder: str | None,
    as_json: bool,
    device: str,
    workers: int | None,
    without: Sequence[str] = (),
) -> None:
    from semanticmac.console.progress import Screen
    from semanticmac.console.tables import failures_table, predictions_json, predictions_table
    from semanticmac.eval.evaluate import absent_notes, encoder_notes, left_out, predict_clip
    from semanticmac.eval.run import load_run, newest_run, pick_device
    from semanticmac.preprocess.embed import clips_of, embed_clips, require_same

    folder = run or newest_run(runs)
    trained = load_run(folder, pick_device(device))
    info = trained.info
    if info.fingerprint.imported:
        raise click.UsageError(
            f"{folder} was trained on imported features; what extracted them is not here, so it cannot predict videos"
        )
    absent = left_out(trained, without)
    done, failed = [], []
    with Screen(err) as screen:
        loaded = _encoder(encoder or info.fingerprint.encoder, device, screen)
        require_same(loaded, info.fingerprint)
        clips = clips_of(videos, text)
        embedded = embed_clips(clips, loaded, info.fingerprint.sampling, workers or _cores())
        for clip, embeddings, reason in embedded:
            if embeddings is None:
                failed.append((clip.clip_id, reason, False))
            else:
                predicted = predict_clip(trained, clip.text, embeddings, pick_device(device), absent)
                done.append((clip.clip_id, predicted))
            screen.progress("predicting", len(done) + len(failed), len(clips), len(failed))
    notes = (*encoder_notes(info.fingerprint), *absent_notes(absent))
    if as_json:
        print(json.dumps(predictions_json(info.task, folder.name, done, failed, notes), indent=1, ensure_ascii=False))
    else:
        out.print(f"run {folder}, trained on {info.dataset}", highlight=False)
        if done:
            out.print(predictions_table(info.task, info.model.modalities, done, notes))
        if failed:
            out.print(failures_table(failed))
    if failed:
        raise typer.Exit(CLIPS_FAILED)


@app.command()
def ablate(
    from_cache: Annotated[
        bool, typer.Option("--from-cache", help="Read the feature cache; there is no other way.")
    ] = True,
    dataset: Annotated[str | None, typer.Option(help="Default: the one cached last.")] = None,
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    rows: Annotated[str | None, typer.Option(help="Rows of the table, with commas between. Default: all.")] = None,
    seeds: Annotated[int, typer.Option(help="Trainings a row.", min=1)] = 5,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting of every row.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Switch off each design choice in turn, train over seeds, and print the paper's ablation table beside ours.

    Runs that are finished are not run again: the same command goes on where it was stopped.
    """
    from semanticmac.cache.home import CacheHome
    from semanticmac.console.ablation import ablation_table
    from semanticmac.console.epochs import EpochLines
    from semanticmac.console.progress import Screen
    from semanticmac.eval.run import pick_device
    from semanticmac.train.ablate import ROWS, ablate, plan
    from semanticmac.train.ablation_results import by_row, write_results
    from semanticmac.train.config import override, parse_settings, preset
    from semanticmac.train.loop import open_data

    home = CacheHome(cache)
    name = home.require(dataset)
    config = override(preset(name), parse_settings(set_ or []))
    folder = runs / f"ablation-{name}"
    planned = plan(config, rows.split(",") if rows else list(ROWS), seeds, folder)
    with Screen(err) as screen:
        show = EpochLines(screen).show
        data = open_data(home, name)
        outcomes = ablate(planned, data, home, pick_device(device), screen.progress, screen.line, show)
    results = by_row(outcomes)
    write_results(folder, name, results)
    out.print(ablation_table(name, results))
    err.print(f"written to {folder / 'ablation.json'} and {folder / 'ablation.csv'}", style="dim", highlight=False)
    if any(row.failures for row in results):
        raise typer.Exit(CLIPS_FAILED)


@app.command()
def inspect(
    dataset: Annotated[str | None, typer.Argument(help="Default: the one cached last.")] = None, cache: CacheDir = CACHE
) -> None:
    """Show what is cached: clips per split, labels, lengths, fingerprint, size, failures."""
    from semanticmac.cache.home import CacheHome
    from semanticmac.cache.manifest import Manifest
    from semanticmac.console.tables import fingerprint_table, labels_table, splits_table

    home = CacheHome(cache)
    name = home.require(dataset)
    manifest = Manifest.read(home.manifest(name))
    out.print(splits_table(manifest))
    labels = labels_table(manifest)
    if labels is not None:
        out.print(labels)
    out.print(fingerprint_table(manifest.fingerprint, home))
    for note in manifest.notes:
        out.print(f"note: {note}", style="yellow", highlight=False, markup=False)
    _print_failures(home.failures(name))


@app.command()
def verify(
    dataset: Annotated[str | None, typer.Argument(help="Default: the one cached last.")] = None, cache: CacheDir = CACHE
) -> None:
    """Read and check every shard and every frame record of a dataset; exit code 1 with the list of what is wrong."""
    from semanticmac.cache.home import CacheHome
    from semanticmac.cache.manifest import Manifest
    from semanticmac.cache.verify import verify
    from semanticmac.console.progress import Screen

    home = CacheHome(cache)
    name = home.require(dataset)
    manifest = Manifest.read(home.manifest(name))
    with Screen(err) as screen:
        damage = verify(home, manifest, screen.progress)
    if not damage:
        out.print(f"{name} is whole: {len(manifest.rows)} clips, every shard and every frame record read and checked")
        return
    for item in damage:
        out.print(item, highlight=False, markup=False, soft_wrap=True)
    again = "import-features FILE" if manifest.fingerprint.imported else f"cache {name} --repair"
    out.print(f"{len(damage)} things are wrong. `semanticmac {again}` makes them again.", style="bold red")
    raise typer.Exit(DAMAGED)


@app.command()
def demo(
    root: Annotated[Path, typer.Option(help="Where the demo corpus is rendered.")] = Path("data/demo"),
    cache: CacheDir = CACHE,
    runs: RunsDir = RUNS,
    clips: Annotated[int, typer.Option(help="How many clips to render.", min=30)] = 320,
    seed: Annotated[int, typer.Option(help="Seed of the corpus and of the training.")] = 1,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a training setting.")
    ] = None,
) -> None:
    """Render a small corpus of drawn talking faces and do the whole walk: cache, train, eval, predict."""
    from semanticmac.console.progress import Screen
    from semanticmac.preprocess.corpora import read_corpus
    from semanticmac.preprocess.corpora.demo import render

    err.rule("1 · render", align="left")
    with Screen(err) as screen:
        render(
            root,
            seed=seed,
            clips=clips,
            workers=_cores(),
            progress=lambda done, total: screen.progress("rendering clips", done, total, 0),
        )
    err.rule("2 · cache", align="left")
    _cache("demo", root, cache)
    err.rule("3 · train", align="left")
    run = _train("demo", cache, None, runs, seed, set_ or [], "auto")
    err.rule("4 · eval", align="left")
    _eval("test", run, cache, as_json=False, device="auto")
    err.rule("5 · predict", align="left")
    clip = next(clip for clip in read_corpus("demo", root).clips if clip.split == "test")
    out.print(
        f"{clip.video} says “{clip.text}”; its true sentiment is {clip.labels['multimodal']:+.2f}", highlight=False
    )
    _predict([clip.video], run, runs, clip.text, None, as_json=False, device="auto", workers=1)
    err.print(
        f'\nThe run is in {run}, the clips are in {root}. Your own: `semanticmac predict VIDEO --text "…"`',
        highlight=False,
    )


def _check_name(name: str | None) -> None:
    if name is not None and not re.fullmatch(r"[\w-]+", name):
        raise click.UsageError(f"--name {name}: expected letters, digits, - and _")


def _lists(
    splits: Path | None, exclude: Path | None, labels: Path | None, split_by: str | None, fold: int | None
) -> Options:
    from semanticmac.preprocess.corpora import Options

    try:
        return Options(splits, exclude, labels, cast(Literal["video"] | None, split_by), fold)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _encoder(name: str, device: str, screen: Screen) -> Any:
    from semanticmac.preprocess.encoder import load_encoder

    return load_encoder(name, device, screen.bytes, screen.line)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print_report(report: BuildReport, listed_in: Path) -> None:
    """What `cache` did, in a sentence; then what a person should know of single clips."""
    if report.nothing_to_do:
        out.print(f"{report.dataset}: all {report.cached} clips are cached already, nothing to do", highlight=False)
    else:
        out.print(
            f"{report.dataset}: {report.cached} of {report.clips} clips are cached "
            f"({report.decoded} decoded, {report.encoded} encoded now)",
            highlight=False,
        )
    _print_failures(listed_in)
    if report.failed:
        raise typer.Exit(CLIPS_FAILED)


def _print_failures(listed_in: Path) -> None:
    from semanticmac.cache.failures import read_failures
    from semanticmac.console.tables import failures_table

    failures = [(failure.clip_id, failure.reason, failure.cached) for failure in read_failures(listed_in)]
    if failures:
        failed = sum(not cached for _, _, cached in failures)
        out.print(f"{failed} clips failed, {len(failures) - failed} are cached with a remark:", highlight=False)
        out.print(failures_table(failures))
        out.print(f"each of them is listed in {listed_in}", highlight=False, soft_wrap=True)


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        err.print(f"note: {note}", style="yellow", highlight=False, markup=False)


def main() -> NoReturn:
    """Runs the program. Every error is one message; `--debug` anywhere on the line shows its traceback."""
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        code = app(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        code = STOPPED
    except Exception as error:
        if debug:
            traceback.print_exc()
        err.print(f"[bold red]error:[/] {_message(error)}", highlight=False, soft_wrap=True)
        code = BAD_INPUT
    if code == STOPPED:  # Typer may turn Ctrl-C into an exit code by itself
        err.print("\nstopped. What is done is kept: run the same command again to go on.", highlight=False)
    sys.exit(code if isinstance(code, int) else 0)


def _message(error: Exception) -> str:
    from rich.markup import escape

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return escape(
            f"the disk that holds {error.filename or 'the cache'} is full. Make space and run the same "
            "command again; it continues."
        )
    if type(error).__module__.startswith("semanticmac."):  # our own errors say what came, what was expected, what to do
        return escape(str(error))
    return escape(f"{type(error).__name__}: {error}") + " [dim](--debug shows where)[/]"


if __name__ == "__main__":
    main()
