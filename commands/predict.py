"""The command predict: raw videos in, predictions out."""

from __future__ import annotations

from collections.abc import Sequence
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
from semanticmac.commands.ui.screen import CLIPS_FAILED, KEPT, echo, err, out, set_resume_hint

if TYPE_CHECKING:
    from semanticmac.cache.failures import Failure
    from semanticmac.eval.prediction import Prediction
    from semanticmac.inference import Predictor
    from semanticmac.preprocess.clip import Clip
    from semanticmac.run.folder import RunInfo

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
    device: Device = "auto",
    workers: Workers = None,
    without: Without = None,
) -> None:
    """Predict raw videos with the same decoding and encoding as the cache.

    Each video is predicted alone, without its dialogue.
    """
    from semanticmac.preprocess.decoding.ffmpeg_program import require_program
    from semanticmac.preprocess.embed import clips_of
    from semanticmac.preprocess.encoders.requests import requests, require_encoders
    from semanticmac.run.folder import (
        RunInfo,
        absent_modalities,
        newest_run,
        require_raw_videos,
        require_weights,
    )

    set_resume_hint("run the same command again", state="No prediction was written")
    require_program()
    require_encoders(requests(encoder, vision or (), audio or ()))
    folder = run or newest_run(runs)
    info = RunInfo.read(folder)
    absent = absent_modalities(info, without_modalities(without))
    require_weights(folder)
    require_raw_videos(folder, info)
    for video in videos:
        if not Path(video).exists():
            raise typer.BadParameter(f"{video}: there is no such file or folder")
    if text is not None and len(videos) > 1:
        raise typer.BadParameter(
            f"--text is the transcript of one file, but {len(videos)} are given: write each text "
            "into a .txt beside its file, or into a clips.csv"
        )
    clips = clips_of(videos, text)

    # Imported here because they load torch: whatever is mistyped was refused before.
    from semanticmac.cache.failures import Failure
    from semanticmac.commands.ui.failures import failures_table
    from semanticmac.commands.ui.predictions import json_text, predictions_json, predictions_table
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.inference import encoder_requests, load
    from semanticmac.preprocess.encoders.requests import open_encoders
    from semanticmac.run.device import pick_device

    pick_device(device)
    predictions: list[Prediction] = []
    failures: list[Failure] = []
    file = None
    if results is not None:
        file = _Results(results, folder, info, absent)
        clips = file.open(clips)
        if not clips:
            file.close()
            return
    with Screen(err) as screen:
        asked = encoder_requests(info.streams, encoder, vision or (), audio or ())
        encoders = open_encoders(asked, device, screen.bytes, screen.line)
        predictor = load(folder, encoders=encoders, device=device)
        answers = predictor.predict_clips(clips, absent, workers or cores())
        for done, (clip, result) in enumerate(zip(clips, answers, strict=True), 1):
            if file is not None:
                file.add(clip, result)
            if isinstance(result, Failure):
                failures.append(result)
            elif file is None or len(predictions) < SHOWN:
                predictions.append(result)
            screen.progress("predicting", done, len(clips), len(failures))

    if file is not None:
        file.close()
    transcripts = clips if text is None else []
    notes = _notes(predictor, absent, transcripts, videos)
    for prediction in predictions:
        notes += [f"{prediction.clip_id}: {note}" for note in prediction.notes]
    if as_json:
        report = predictions_json(folder.name, info.task, predictions, failures, notes)
        print(json_text(report))
    else:
        echo(out, f"run {folder}, trained on {info.dataset}")
        if predictions:
            out.print(predictions_table(info.model.modalities, predictions, notes))
        if failures:
            out.print(failures_table(failures))
    if failures:
        raise typer.Exit(CLIPS_FAILED)


class _Results:
    """The file that --out names, for the clips of one command."""

    def __init__(self, path: Path, run: Path, info: RunInfo, absent: Sequence[str]) -> None:
        from semanticmac.commands.ui.prediction_rows import result_columns
        from semanticmac.eval.report.results_file import ResultsFile

        self.task, self.run, self.absent = info.task, run, absent
        self.modalities = info.model.modalities
        self.file = ResultsFile(path, result_columns(info.task, self.modalities))
        self.new = 0

    def open(self, clips: Sequence[Clip]) -> list[Clip]:
        """The clips whose result is not in the file yet; says how many are."""
        from semanticmac.commands.ui.prediction_rows import result_key

        waiting: list[Clip] = []
        for clip in clips:
            if result_key(self.run, clip, self.absent) not in self.file.done:
                waiting.append(clip)
        if len(waiting) < len(clips):
            echo(err, f"{len(clips) - len(waiting)} results are in {self.file.path} already")
        set_resume_hint("run the same command again to go on", state=KEPT)
        return waiting

    def add(self, clip: Clip, result: Prediction | Failure) -> None:
        from semanticmac.cache.failures import Failure
        from semanticmac.commands.ui.prediction_rows import failure_row, result_key, result_row

        key = result_key(self.run, clip, self.absent)
        if isinstance(result, Failure):
            self.file.add(failure_row(self.file.columns, clip, key, result.reason))
        else:
            self.file.add(result_row(self.task, self.modalities, clip, key, result))
        self.new += 1

    def close(self) -> None:
        self.file.close()
        echo(out, f"{self.new} new results in {self.file.path}")


def _notes(
    predictor: Predictor, absent: Sequence[str], transcripts: list[Clip], videos: list[Path]
) -> list[str]:
    """Limits of the encoder, modalities left out, and transcripts read from files."""
    from semanticmac.eval.evaluate import absent_notes
    from semanticmac.preprocess.corpora.notes import preview
    from semanticmac.run.notes import stream_notes

    info = predictor.trained.info
    notes = [*stream_notes(info.streams), *absent_notes(absent)]
    if "text" in info.model.modalities and "text" not in absent:
        read = [clip.video for clip in transcripts if clip.text and clip.video in videos]
        if read:
            names = preview([str(video.with_suffix(".txt")) for video in read])
            notes.append(f"the transcript was read from {names}")
    return notes
