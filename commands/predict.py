"""The command predict: raw videos in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semanticmac.commands.common import cores, without_modalities
from semanticmac.commands.options import (
    RUNS,
    AsJson,
    AudioEncoder,
    Device,
    EncoderName,
    Run,
    RunsDir,
    VisionEncoder,
    Without,
    Workers,
)
from semanticmac.commands.ui.screen import (
    CLIPS_FAILED,
    echo,
    err,
    out,
    print_notes,
    set_resume_hint,
)

if TYPE_CHECKING:
    from semanticmac.cache.failures import Failure
    from semanticmac.commands.predict_timelines import Timelines
    from semanticmac.eval.prediction import Prediction
    from semanticmac.preprocess.clip import Clip
    from semanticmac.run.folder import RunInfo

_TIMELINES = "Time lines"
SHOWN = 30  # predictions on the screen when a file holds all of them


def predict(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO…", help="Files and folders, any container ffmpeg reads."),
    ],
    run: Run = None,
    runs: RunsDir = RUNS,
    text: Annotated[
        str | None, typer.Option(help="Transcript of the file. Default: the .txt beside it.")
    ] = None,
    encoder: EncoderName = None,
    vision: VisionEncoder = None,
    audio: AudioEncoder = None,
    as_json: AsJson = False,
    results: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write each result to a .csv, .jsonl or .xlsx as it is known; the same command "
            "goes on after a stop.",
        ),
    ] = None,
    timeline: Annotated[
        bool | None,
        typer.Option(
            "--timeline/--no-timeline",
            help="Cut recordings into utterances and predict each of them. Default: those longer "
            "than a minute.",
            show_default=False,
        ),
    ] = None,
    pages: Annotated[
        Path,
        typer.Option(
            "--pages",
            metavar="DIR",
            help="Folder of the time lines: a page, a table and JSON each.",
            rich_help_panel=_TIMELINES,
        ),
    ] = Path("timelines"),
    video: Annotated[
        str,
        typer.Option(
            help="The recording on its page: link, embed (a small copy), or none.",
            rich_help_panel=_TIMELINES,
        ),
    ] = "link",
    activity: Annotated[
        str,
        typer.Option(
            help="What tells speech: auto, silero (of faster-whisper), or energy.",
            rich_help_panel=_TIMELINES,
        ),
    ] = "auto",
    asr: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Write down what is said with Whisper: base, small, large-v3, or a folder.",
            rich_help_panel=_TIMELINES,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            help="Language for --asr: en, de, zh … Default: detected.", rich_help_panel=_TIMELINES
        ),
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Transcripts: .srt, .vtt, .txt or Whisper's .json; a folder holds one for each.",
            rich_help_panel=_TIMELINES,
        ),
    ] = None,
    speakers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Who speaks when, as an RTTM file.", rich_help_panel=_TIMELINES
        ),
    ] = None,
    device: Device = "auto",
    workers: Workers = None,
    without: Without = None,
) -> None:
    """Predict raw videos with the same decoding and encoding as the cache.

    A recording longer than a minute gets a time line: the prediction of each utterance, on a page
    with its curves and transcript. Every other clip is predicted alone, without its dialogue.
    """
    from semanticmac.commands.predict_results import PredictResults
    from semanticmac.commands.timeline_request import TimelineRequest, plan_timelines
    from semanticmac.eval.report.results_file import require_results_name
    from semanticmac.preprocess.decoding.ffmpeg_program import require_program
    from semanticmac.preprocess.embed import read_clips
    from semanticmac.preprocess.encoders.requests import requests, require_encoders
    from semanticmac.run.folder import (
        RunInfo,
        absent_modalities,
        require_raw_videos,
        require_weights,
    )
    from semanticmac.run.hub_models import find_model
    from semanticmac.run.newest import newest_run

    set_resume_hint("run the same command again", state="No prediction was written")
    request = TimelineRequest(
        timeline, pages, video, activity, asr, language, transcripts, speakers, text
    )
    if results is not None:
        require_results_name(results)
    require_program()
    require_encoders(requests(encoder, vision or (), audio or ()))
    folder = newest_run(runs) if run is None else find_model(run)
    info = RunInfo.read(folder)
    absent = absent_modalities(info, without_modalities(without))
    require_weights(folder)
    require_raw_videos(folder, info)
    _require_videos(videos, text)
    clips, notes = read_clips(videos, text)
    print_notes(notes)
    planned = plan_timelines(request, clips)
    file = None
    if results is not None:
        file = PredictResults(results, folder, info, absent)

    # Imported here because they load torch: whatever is mistyped was refused before.
    from semanticmac.cache.failures import Failure
    from semanticmac.commands.predict_timelines import Timelines
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.inference import encoder_requests, load
    from semanticmac.preprocess.encoders.requests import open_encoders
    from semanticmac.run.device import pick_device

    pick_device(device)
    predictions: list[Prediction] = []
    failures: list[Failure] = []
    waiting = list(planned.clips)
    if file is not None:
        waiting = file.waiting(waiting)
    timelines = Timelines(request, planned.jobs, folder, info, absent, file)
    predictor = None
    with Screen(err) as screen:
        if waiting or timelines.waiting:
            timelines.open_recogniser(device, screen)
            asked = encoder_requests(info.streams, encoder, vision or (), audio or ())
            encoders = open_encoders(asked, device, screen.bytes, screen.line)
            predictor = load(folder, encoders=encoders, device=device)
            answers = predictor.predict_clips(waiting, absent, workers or cores())
            for done, (clip, result) in enumerate(zip(waiting, answers, strict=True), 1):
                if file is not None:
                    file.add(clip, result)
                if isinstance(result, Failure):
                    failures.append(result)
                elif file is None or len(predictions) < SHOWN:
                    predictions.append(result)
                screen.progress("predicting", done, len(waiting), len(failures))
        timelines.run(predictor, screen)
    failures += timelines.failures

    if file is not None:
        file.close(err if as_json else out)
    if predictor is None and not timelines.finished:
        return
    with_text_files = [] if text is not None else clips
    notes = [*_notes(info, absent, with_text_files, videos), *timelines.notes]
    notes += _trust_notes(folder, info)
    for prediction in predictions:
        notes += [f"{prediction.clip_id}: {note}" for note in prediction.notes]
    report = _Report(folder, info, predictions, failures, notes)
    if as_json:
        _print_json(report, timelines)
    else:
        _print_tables(report, timelines)
    if failures or timelines.failed_utterances:
        raise typer.Exit(CLIPS_FAILED)


def _require_videos(videos: Sequence[Path], text: str | None) -> None:
    """Raises BadParameter for a path that does not exist, and for one text of several files."""
    for path in videos:
        if not path.exists():
            raise typer.BadParameter(f"{path}: there is no such file or folder")
    if text is not None and len(videos) > 1:
        raise typer.BadParameter(
            f"--text is the transcript of one file, but {len(videos)} are given: write each text "
            "into a .txt beside its file, or into a clips.csv"
        )


@dataclass(frozen=True)
class _Report:
    """What the command prints beside the time lines."""

    run: Path
    info: RunInfo
    predictions: list[Prediction]
    failures: list[Failure]
    notes: list[str]


def _print_json(report: _Report, timelines: Timelines) -> None:
    from semanticmac.commands.ui.predictions import json_text, predictions_json
    from semanticmac.commands.ui.timelines import timelines_json

    fields = predictions_json(
        report.run.name, report.info.task, report.predictions, report.failures, report.notes
    )
    if timelines.planned:
        fields["timelines"] = timelines_json(timelines.finished)
    print(json_text(fields))


def _print_tables(report: _Report, timelines: Timelines) -> None:
    from semanticmac.commands.ui.failures import failures_table
    from semanticmac.commands.ui.predictions import predictions_table
    from semanticmac.commands.ui.timelines import timelines_table

    predictions, failures, notes = report.predictions, report.failures, report.notes
    echo(out, f"run {report.run}, trained on {report.info.dataset}")
    if predictions or not (timelines.finished or failures):
        out.print(predictions_table(report.info.model.modalities, predictions, notes))
    if timelines.finished:
        out.print(timelines_table(timelines.finished))
        if not predictions:
            print_notes([note for note in notes if note not in timelines.remarks])
    if failures:
        out.print(failures_table(failures))


def _trust_notes(run: Path, info: RunInfo) -> list[str]:
    """How far intervals and flags can be trusted."""
    from semanticmac.eval.trust_fit import read_trust
    from semanticmac.run.notes import NO_TRUST

    trust = read_trust(run, info)
    return [NO_TRUST] if trust is None else list(trust.notes(info.task))


def _notes(
    info: RunInfo, absent: Sequence[str], transcripts: list[Clip], videos: list[Path]
) -> list[str]:
    """Limits of the encoder, modalities left out, and transcripts read from files."""
    from semanticmac.eval.evaluate import absent_notes
    from semanticmac.preprocess.corpora.notes import preview
    from semanticmac.run.notes import stream_notes

    notes = [*stream_notes(info.streams), *absent_notes(absent)]
    if "text" in info.model.modalities and "text" not in absent:
        read = [clip.video for clip in transcripts if clip.text and clip.video in videos]
        if read:
            names = preview([str(video.with_suffix(".txt")) for video in read])
            notes.append(f"the transcript was read from {names}")
    return notes
