"""The verb predict: raw videos in, predictions out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from semanticmac.commands.common import cores, open_encoder
from semanticmac.commands.options import (
    RUNS,
    AsJson,
    Device,
    EncoderName,
    Run,
    RunsDir,
    Without,
    Workers,
)
from semanticmac.commands.ui.screen import CLIPS_FAILED, echo, err, out


def predict(
    videos: Annotated[
        list[Path],
        typer.Argument(metavar="VIDEO…", help="Files and folders, any container ffmpeg reads."),
    ],
    run: Run = None,
    runs: RunsDir = RUNS,
    text: Annotated[
        str | None, typer.Option(help="What is said in the file. Default: the .txt beside it.")
    ] = None,
    encoder: EncoderName = None,
    as_json: AsJson = False,
    device: Device = "auto",
    workers: Workers = None,
    without: Without = None,
) -> None:
    """Predict raw videos: the same decoding and encoding as the cache, then the trained model.

    Each video is predicted by itself, without context, whatever setting the model was trained in.
    """
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.commands.ui.tables import failures_table, predictions_json, predictions_table
    from semanticmac.eval.evaluate import absent_notes, encoder_notes, left_out, predict_clip
    from semanticmac.preprocess.corpora.notes import preview
    from semanticmac.preprocess.decoding.ffmpeg_program import require_program
    from semanticmac.preprocess.embed import clips_of, embed_clips, require_same
    from semanticmac.run.folder import newest_run
    from semanticmac.run.weights import load_run, pick_device

    require_program()
    folder = run or newest_run(runs)
    trained = load_run(folder, pick_device(device))
    info = trained.info
    if info.fingerprint.imported:
        raise typer.BadParameter(
            f"{folder} was trained on imported features; what extracted them is not here, so it cannot predict videos"
        )
    absent = left_out(trained, without or ())
    clips = clips_of(videos, text)
    hears_text = text is None and "text" in info.model.modalities and "text" not in absent
    beside = [
        str(clip.video.with_suffix(".txt")) for clip in clips if clip.text and clip.video in videos
    ]
    read_beside = [f"what is said was read from {preview(beside)}"] if hears_text and beside else []
    done, failed = [], []
    with Screen(err) as screen:
        loaded = open_encoder(encoder or info.fingerprint.encoder, device, screen)
        require_same(loaded, info.fingerprint)
        embedded = embed_clips(clips, loaded, info.fingerprint.sampling, workers or cores())
        for clip, embeddings, reason in embedded:
            if embeddings is None:
                failed.append((clip.clip_id, reason, False))
            else:
                predicted = predict_clip(
                    trained, clip.text, embeddings, pick_device(device), absent
                )
                done.append((clip.clip_id, predicted))
            screen.progress("predicting", len(done) + len(failed), len(clips), len(failed))
    notes = (*encoder_notes(info.fingerprint), *absent_notes(absent), *read_beside)
    if as_json:
        print(
            json.dumps(
                predictions_json(info.task, folder.name, done, failed, notes),
                indent=1,
                ensure_ascii=False,
            )
        )
    else:
        echo(out, f"run {folder}, trained on {info.dataset}")
        if done:
            out.print(predictions_table(info.task, info.model.modalities, done, notes))
        if failed:
            out.print(failures_table(failed))
    if failed:
        raise typer.Exit(CLIPS_FAILED)
