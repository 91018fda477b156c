"""The command predict: raw videos in, predictions out."""

from __future__ import annotations

import json
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
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out, set_resume_hint

if TYPE_CHECKING:
    from semanticmac.inference import Prediction, Predictor
    from semanticmac.preprocess.clip import Clip


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
    device: Device = "auto",
    workers: Workers = None,
    without: Without = None,
) -> None:
    """Predict raw videos with the same decoding and encoding as the cache.

    Each video is predicted alone, without its dialogue.
    """
    from semanticmac.preprocess.decoding.ffmpeg_program import require_program
    from semanticmac.preprocess.embed import clips_of
    from semanticmac.run.folder import (
        RunInfo,
        absent_modalities,
        newest_run,
        require_raw_videos,
        require_weights,
    )

    set_resume_hint("run the same command again", state="No prediction was written")
    require_program()
    folder = run or newest_run(runs)
    info = RunInfo.read(folder)
    absent = absent_modalities(info, without_modalities(without))
    require_weights(folder)
    require_raw_videos(folder, info)
    for video in videos:
        if not Path(video).exists():
            raise typer.BadParameter(f"{video}: there is no such file or folder")
    clips = clips_of(videos, text)

    # Imported here because they load torch: whatever is mistyped was refused before.
    from semanticmac.cache.failures import Failure
    from semanticmac.commands.ui.failures import failures_table
    from semanticmac.commands.ui.predictions import predictions_json, predictions_table
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.inference import encoder_requests, load
    from semanticmac.preprocess.encoders.requests import open_encoders

    predictions: list[Prediction] = []
    failures: list[Failure] = []
    with Screen(err) as screen:
        asked = encoder_requests(info.streams, encoder, vision or (), audio or ())
        encoders = open_encoders(asked, device, screen.bytes, screen.line)
        predictor = load(folder, encoders=encoders, device=device)
        results = predictor.predict_clips(clips, absent, workers or cores())
        for done, result in enumerate(results, 1):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                predictions.append(result)
            screen.progress("predicting", done, len(clips), len(failures))

    transcripts = clips if text is None else []
    notes = _notes(predictor, absent, transcripts, videos)
    for prediction in predictions:
        notes += [f"{prediction.clip_id}: {note}" for note in prediction.notes]
    if as_json:
        report = predictions_json(folder.name, info.task, predictions, failures, notes)
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        echo(out, f"run {folder}, trained on {info.dataset}")
        if predictions:
            out.print(predictions_table(info.model.modalities, predictions, notes))
        if failures:
            out.print(failures_table(failures))
    if failures:
        raise typer.Exit(CLIPS_FAILED)


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
