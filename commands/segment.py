"""The command segment: long recordings → clips.csv, one line an utterance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from semanticmac.commands.options import Device
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out, print_notes

if TYPE_CHECKING:
    from semanticmac.preprocess.speech.recognition import Recogniser
    from semanticmac.preprocess.speech.segment import SegmentReport
    from semanticmac.preprocess.speech.spans import SpanLimits


def segment(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO…", help="Files and folders of long recordings.")
    ],
    table: Annotated[
        Path, typer.Option("--out", help="The table to write; its folder holds the videos.")
    ] = Path("clips.csv"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the table if it exists.")
    ] = False,
    activity: Annotated[
        str, typer.Option(help="What tells speech: auto, silero (of faster-whisper), or energy.")
    ] = "auto",
    min_s: Annotated[float, typer.Option(help="Shortest utterance in seconds.")] = 1.0,
    max_s: Annotated[float, typer.Option(help="Longest utterance in seconds.")] = 15.0,
    min_silence_s: Annotated[
        float, typer.Option(help="A pause of this many seconds ends an utterance.")
    ] = 0.3,
    asr: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Write down what is said with Whisper: base, small, large-v3, or a folder.",
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language for --asr: en, de, zh … Default: detected.")
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER",
            help="Transcripts that you have: .srt, .vtt, .txt or Whisper's .json; a folder holds "
            "one for each video, with its name.",
        ),
    ] = None,
    speakers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Who speaks when, as an RTTM file.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Cut long recordings into utterances and write them to a clips.csv.

    Read and correct the table, then give its folder to `cache folder`, or to `predict`.
    """
    from semanticmac.preprocess.corpora.notes import preview
    from semanticmac.preprocess.speech.activity import Activity, open_activity
    from semanticmac.preprocess.speech.inputs import (
        find_transcripts,
        find_turns,
        find_videos,
        transcripts_beside,
    )

    if activity not in get_args(Activity):
        raise typer.BadParameter(f"--activity {activity}: expected auto, silero or energy")
    if language is not None and asr is None:
        raise typer.BadParameter("--language needs --asr: nothing else reads it")
    if table.exists() and not overwrite:
        raise typer.BadParameter(
            f"{table} exists, and it may hold your corrections: give --out another name, "
            "or --overwrite"
        )
    limits = _limits(min_s, max_s, min_silence_s)
    files = find_videos(videos)
    beside = transcripts_beside(files)
    known = dict(beside)
    if transcripts is not None:
        known |= find_transcripts(transcripts, files)
    turns = {} if speakers is None else find_turns(speakers, files)
    method = open_activity(cast(Activity, activity))

    from semanticmac.commands.ui.progress import Screen
    from semanticmac.preprocess.speech.segment import SegmentOptions, segment_files

    def open_recogniser() -> Recogniser:
        from semanticmac.preprocess.speech.recognition import WhisperRecogniser

        return WhisperRecogniser(str(asr), language, device)

    options = SegmentOptions(
        method,
        limits,
        open_recogniser if asr else None,
        known,
        turns,
        recognition=f"{asr} {language}",
    )
    with Screen(err) as screen:
        report = segment_files(files, table, options, screen.progress)
    _print_report(report, table, method.name)
    read = [str(file.with_suffix(".txt")) for file in beside if known[file] is beside[file]]
    if read:
        print_notes([f"the transcript was read from {preview(read)}"])
    without = [file.name for file in files if transcripts is not None and file not in known]
    if without:
        print_notes([f"no transcript for {', '.join(without)}"])
    if not asr and not known:
        print_notes(
            [
                "the column text is empty: write it by hand, or give --asr small or --transcripts. "
                "A model that reads text predicts worse without it"
            ]
        )
    if report.failures:
        raise typer.Exit(CLIPS_FAILED)


def _limits(min_s: float, max_s: float, min_silence_s: float) -> SpanLimits:
    from semanticmac.preprocess.speech.spans import SpanLimits

    try:
        return SpanLimits(min_s, max_s, min_silence_s)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _print_report(report: SegmentReport, table: Path, method: str) -> None:
    from semanticmac.commands.ui.failures import failures_table
    from semanticmac.commands.ui.segments import recordings_table

    if report.recordings:
        out.print(recordings_table(report.recordings, method))
        echo(out, f"{report.utterances} utterances in {table}")
    if report.resumed:
        echo(err, f"{report.resumed} recordings were segmented before the last stop")
    for name, recording in report.recordings.items():
        print_notes([f"{name}: {note}" for note in recording.notes])
    if report.failures:
        out.print(failures_table(report.failures))
    if report.recordings:
        echo(out, f"next: `semanticmac cache folder --root {table.absolute().parent}`")
