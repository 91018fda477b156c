"""The training data of `imagebind-tiny`: pictures and voices of random people, rendered once."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.preprocess.demo.face import random_face
from semanticmac.preprocess.demo.film import random_picture
from semanticmac.preprocess.demo.phones import babble
from semanticmac.preprocess.demo.voice import random_voice, speak
from semanticmac.preprocess.encoders.imagebind.encoder import prepare_frames
from semanticmac.preprocess.encoders.imagebind.filterbank import (
    FRAME_SHIFT_SAMPLES,
    WINDOW_SAMPLES,
    mel_spectrogram,
)

SOUND_FRAMES = 198  # of the 204 frames of a window; the last six are padding
SHOTS = 8  # pictures of one face, which differ in affect
CHUNK = 256  # pictures or voices in one file; a killed run loses at most one file
# The first word of each spawn key. The demo corpus has no spawn keys, so it shares no random stream
# with the pool.
POOL_STREAM = 7
PICTURES, VOICES = "pictures", "voices"

Arrays = dict[str, NDArray[np.generic]]
Job = tuple[Path, str, int, int, int, int]  # file, kind, seed, index, how many, side of a picture
Progress = Callable[[str, int, int], None]  # what, how many stand on disk, how many there will be


@dataclass(frozen=True)
class Pool:
    """Pictures face by face; voices in order of affect, so that the nearest is found quickly."""

    pictures: NDArray[np.uint8]  # (P, 3, px, px)
    picture_affects: NDArray[np.float32]  # (P,); SHOTS in a row are of one face
    # (Σ frames, 128): whole utterances with a second of silence on both sides.
    mels: NDArray[np.float16]
    mel_starts: NDArray[np.int64]  # (V,) first row of each voice in mels
    mel_frames: NDArray[np.int64]  # (V,) its rows
    voice_affects: NDArray[np.float32]  # (V,) ascending


def random_stream(seed: int, *key: int) -> Generator:
    """The random stream of one chunk of the pool or of one test."""
    return np.random.default_rng(SeedSequence(seed, spawn_key=(POOL_STREAM, *key)))


def lossy_picture(picture: NDArray[np.uint8], quality: int, picture_px: int) -> NDArray[np.uint8]:
    """picture (224, 224, 3) → (3, px, px) after a lossy codec and the encoder's resizing.

    JPEG with halved colour resolution replaces H.264, which quantises similar blocks.
    """
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=2)
    decoded = np.asarray(Image.open(buffer))
    resized = prepare_frames(decoded[None], picture_px)[0].numpy()
    return np.ascontiguousarray(resized)  # files keep no strides


def log_mels(waveform: NDArray[np.int16]) -> NDArray[np.float16]:
    """waveform (N,) → (frames, 128) normalised log-mel, with a second of silence on both sides.

    Kaldi's frames do not depend on their window, so any 198 rows are the spectrogram of a window.
    """
    silence = WINDOW_SAMPLES // 2
    stride = SOUND_FRAMES * FRAME_SHIFT_SAMPLES
    padded = np.pad(waveform, silence)
    frames = (len(padded) - WINDOW_SAMPLES) // FRAME_SHIFT_SAMPLES + SOUND_FRAMES
    padded = np.pad(padded, (0, -(-frames // SOUND_FRAMES) * stride + WINDOW_SAMPLES - len(padded)))
    windows = torch.from_numpy(padded).unfold(0, WINDOW_SAMPLES, stride)
    # (W, 128, 198) → (W·198, 128)
    mels = mel_spectrogram(windows)[:, 0, :, :SOUND_FRAMES].transpose(1, 2).flatten(0, 1)
    return np.asarray(mels[:frames].numpy().astype(np.float16))


def render_chunk(kind: str, seed: int, index: int, count: int, picture_px: int) -> Arrays:
    """`count` pictures or voices of random people with affects uniform in −3 … 3."""
    rng = random_stream(seed, (PICTURES, VOICES).index(kind), index)
    if kind == PICTURES:
        return _render_pictures(rng, count, picture_px)
    affects = rng.uniform(-3, 3, count).astype(np.float32)
    mels: list[NDArray[np.float16]] = []
    frames: list[int] = []
    for affect in affects:
        text = babble(int(rng.integers(5, 12)), rng)
        mels.append(log_mels(speak(text, random_voice(rng), float(affect), rng).waveform))
        frames.append(len(mels[-1]))
    return {"affects": affects, "mels": np.concatenate(mels), "frames": np.array(frames)}


def _render_pictures(rng: Generator, count: int, picture_px: int) -> Arrays:
    """Pictures face by face, each face in SHOTS affects spread over the range."""
    affects, shots = [], []
    for _ in range(count // SHOTS):
        face = random_face(rng)
        for felt in -3 + 6 * (np.arange(SHOTS) + rng.random(SHOTS)) / SHOTS:
            shot = random_picture(rng, float(felt), face=face)
            shots.append(lossy_picture(shot, int(rng.integers(55, 96)), picture_px))
            affects.append(felt)
    return {"affects": np.array(affects, np.float32), "pictures": np.stack(shots)}


def make_pool(
    folder: Path,
    seed: int,
    pictures: int,
    voices: int,
    picture_px: int,
    workers: int,
    progress: Progress,
) -> Pool:
    """Renders the missing chunks in `workers` processes and reads all chunks.

    Each chunk is one file with its own random stream, so neither the number of workers nor an
    interruption changes the pool.
    """
    files: dict[str, list[Path]] = {PICTURES: [], VOICES: []}
    missing: list[Job] = []
    total = 0
    for kind, count in ((PICTURES, pictures), (VOICES, voices)):
        for index in range(-(-count // CHUNK)):
            file = folder / f"{kind}-{seed}-{picture_px}-{index:04d}.safetensors"
            files[kind].append(file)
            total += 1
            if not file.is_file():
                missing.append((file, kind, seed, index, CHUNK, picture_px))

    for done, _ in enumerate(_write_chunks(missing, min(workers, len(missing))), 1):
        progress("rendering chunks", total - len(missing) + done, total)
    return _read(files[PICTURES], files[VOICES])


def _write_chunks(jobs: list[Job], workers: int) -> Iterator[None]:
    if workers <= 1:
        for job in jobs:
            _write_chunk(*job)
            yield
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )
    try:
        for future in as_completed([pool.submit(_write_chunk, *job) for job in jobs]):
            future.result()
            yield
    finally:
        pool.shutdown(cancel_futures=True)


def _write_chunk(path: Path, kind: str, seed: int, index: int, count: int, picture_px: int) -> None:
    chunk = render_chunk(kind, seed, index, count, picture_px)
    with atomic_write(path) as aside:
        save_file(chunk, aside)


def _read(pictures: list[Path], voices: list[Path]) -> Pool:
    picture_arrays, voice_arrays = _load_all(pictures), _load_all(voices)
    voice_affects, frames = voice_arrays["affects"], voice_arrays["frames"]
    starts = np.concatenate([[0], np.cumsum(frames)[:-1]])
    by_affect = np.argsort(voice_affects)
    return Pool(
        picture_arrays["pictures"],
        picture_arrays["affects"],
        voice_arrays["mels"],
        starts[by_affect],
        frames[by_affect],
        voice_affects[by_affect],
    )


def _load_all(paths: list[Path]) -> dict[str, NDArray[Any]]:
    """The arrays of several chunks, joined by name."""
    chunks = [_load(path) for path in paths]
    joined = {}
    for name in chunks[0]:
        joined[name] = np.concatenate([chunk[name] for chunk in chunks])
    return joined


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged ({error}); delete it and run the same command again"
        ) from error
