"""Decoding and encoding overlap, keep the order of the corpus, and lose no other clip."""

import contextlib
import itertools
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.frame_codec import pack
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import RawClip
from semanticmac.cache.shard_format import read_index
from semanticmac.preprocess import encode_jobs, pipeline
from semanticmac.preprocess.clip import Clip, ClipStatus
from semanticmac.preprocess.decoding import isolation
from semanticmac.preprocess.decoding.isolation import DecodedClip
from semanticmac.preprocess.encode_jobs import EncodeJob
from semanticmac.preprocess.encoders.protocol import EncodeError
from semanticmac.preprocess.pipeline import GPU_FEEDERS, EncodedClip, LocalBackend, Pipeline

HERE = Path(__file__).parent
GUARD_S = 60.0  # a generous deadline; nothing here should come near it
CLIPS = 12


class Slow:
    """A slow encoder: its first clip is not ready before the next three are decoded."""

    modality = "audio"
    name = "slow"
    width = 4
    device = torch.device("cpu")

    def __init__(self, folder: Path, refuses: int = -1) -> None:
        self.folder, self.refuses, self.calls = folder, refuses, 0

    def encode(self, raw: RawClip) -> np.ndarray:
        self.calls += 1
        deadline = time.monotonic() + GUARD_S
        while self.calls == 1 and not all((self.folder / f"{i}.done").exists() for i in (1, 2, 3)):
            assert time.monotonic() < deadline, "nothing was decoded while a clip was encoded"
            time.sleep(0.01)
        if self.calls - 1 == self.refuses:
            raise EncodeError("this one not")
        return np.full((2, 4), self.calls, np.float16)


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[Clip]:
    monkeypatch.syspath_prepend(str(HERE))
    import worker_jobs

    monkeypatch.setattr(isolation, "decode_and_pack", worker_jobs.pretend_to_decode)
    return [Clip(str(i), tmp_path / f"{i}.wav") for i in range(CLIPS)]


def run(clips: list[Clip], folder: Path, encoder: Slow) -> tuple[Pipeline, list[ClipStatus]]:
    writer = EmbeddingWriter(
        folder / "made", Fingerprint("audio", "slow", "", "", False, 4, Sampling())
    )
    with FrameStore(folder / "frames", writable=True) as store:
        statuses = [ClipStatus(f"key-{i:02d}", clip) for i, clip in enumerate(clips)]
        for status in statuses:
            if status.key in store:
                status.state = "cached"
        backend = LocalBackend([encoder], 1, Sampling())
        result = Pipeline(statuses, store, [writer], backend, lambda *_: None)
        result.run()
        assert all(status.key in store and status.record is None for status in statuses)
    return result, statuses


def test_clips_are_decoded_while_one_is_encoded(clips, tmp_path):
    result, statuses = run(clips, tmp_path, Slow(tmp_path))
    assert (result.decoded, result.encoded) == (CLIPS, CLIPS)
    assert {status.state for status in statuses} == {"cached"}
    [shard] = read_index(tmp_path / "made").shards
    assert list(shard.keys) == [status.key for status in statuses]


def test_a_clip_that_cannot_be_encoded_costs_only_itself(clips, tmp_path):
    result, statuses = run(clips, tmp_path, Slow(tmp_path, refuses=2))
    assert (result.decoded, result.encoded) == (CLIPS, CLIPS - 1)
    failed = {status.key: status.reason for status in statuses if status.state == "failed"}
    assert failed == {"key-02": "this one not"}
    again = Slow(tmp_path)
    result, _ = run(clips, tmp_path, again)
    assert (result.decoded, result.encoded, again.calls) == (0, 1, 1)


class Stopped(BaseException):
    """Ends a run in the middle, like Ctrl-C."""


@dataclass(frozen=True)
class InThisProcess:
    """A backend without workers or encoder. It stops the run after some clips."""

    most_clips: int = CLIPS

    def fingerprints(self) -> tuple[()]:
        return ()

    def decode(self, clips: Sequence[Clip]) -> Generator[DecodedClip, None, None]:
        for number, clip in enumerate(clips):
            if number == self.most_clips:
                raise Stopped
            yield DecodedClip(clip, b"a record")

    def encode(self, jobs: Iterable[EncodeJob]) -> Iterator[EncodedClip]:
        for job in jobs:
            yield EncodedClip(job.clip)


class CountingStore(FrameStore):
    """A frame store that remembers how many clips each write held."""

    def put_many(self, records: Iterable[tuple[str, bytes]]) -> None:
        batch = list(records)
        self.groups = [*getattr(self, "groups", []), len(batch)]
        super().put_many(batch)


def decode_clips(folder: Path, backend: InThisProcess, seconds_per_clip: float) -> list[int]:
    """Decodes into a frame store, with a clock of its own. Returns the sizes of the writes."""
    ticks = itertools.count(0.0, seconds_per_clip)
    with CountingStore(folder, writable=True) as store:
        statuses = []
        for i in range(CLIPS):
            key = f"key-{i:02d}"
            state = "cached" if key in store else "new"
            statuses.append(ClipStatus(key, Clip(str(i), Path(f"{i}.wav")), state))
        clock = partial(next, ticks)
        with contextlib.suppress(Stopped):
            Pipeline(statuses, store, (), backend, lambda *_: None, clock).run()
        return getattr(store, "groups", [])


def stored(folder: Path) -> int:
    with FrameStore(folder) as store:
        return len(list(store.keys()))


def test_frames_are_written_after_some_clips_or_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_WRITE_CLIPS", 4)
    backend = InThisProcess()
    assert decode_clips(tmp_path / "fast", backend, seconds_per_clip=0.0) == [1, 4, 4, 3]
    assert decode_clips(tmp_path / "slow", backend, seconds_per_clip=1.5) == [1] + 5 * [2] + [1]
    assert decode_clips(tmp_path / "slower", backend, seconds_per_clip=3.0) == CLIPS * [1]


@pytest.mark.parametrize(("seconds_per_clip", "progress"), [(0.0, 1), (1.0, 1), (3.0, 3)])
def test_a_run_that_is_stopped_every_few_clips_makes_progress(tmp_path, seconds_per_clip, progress):
    expected = 0
    while expected < CLIPS:
        decode_clips(tmp_path / "frames", InThisProcess(most_clips=3), seconds_per_clip)
        expected = min(expected + progress, CLIPS)
        assert expected <= stored(tmp_path / "frames") <= CLIPS
    decode_clips(tmp_path / "undisturbed", InThisProcess(), seconds_per_clip)
    assert stored(tmp_path / "frames") == stored(tmp_path / "undisturbed") == CLIPS


class OnGpu:
    """An encoder as on a GPU: it returns from a clip when GPU_FEEDERS of them are in its hands."""

    modality = "audio"
    name = "on a GPU"
    width = 4
    device = torch.device("cuda")

    def __init__(self) -> None:
        self.barrier = threading.Barrier(GPU_FEEDERS)

    def encode(self, raw: RawClip) -> np.ndarray:
        assert raw.waveform is not None
        self.barrier.wait(GUARD_S)
        if raw.waveform[0] == 3:
            raise EncodeError("this one not")
        return np.full((1, 4), raw.waveform[0], np.float16)


def test_a_gpu_is_fed_by_several_threads_and_the_order_stays(monkeypatch) -> None:
    monkeypatch.setattr(encode_jobs, "GROUP_CLIPS", 1)
    clips = 3 * GPU_FEEDERS
    ready = []
    for i in range(clips):
        record = pack(RawClip(None, np.full(8000, i, np.int16), 0.5), Sampling())
        ready.append(EncodeJob(Clip(f"{i:02d}", Path()), record, (0,)))
    ready.insert(2, EncodeJob(Clip("encoded before", Path()), None))
    taken: list[int] = []

    def asked():
        for i, clip in enumerate(ready):
            taken.append(i)
            yield clip

    made = []
    for done in LocalBackend([OnGpu()], 1, Sampling()).encode(asked()):
        made.append(done)
        assert len(taken) - len(made) <= 2 * GPU_FEEDERS  # no further ahead: records take memory
    assert [each.clip for each in made] == [each.clip for each in ready]
    assert made[2].encodings == () and made[4].encodings[0].reason == "this one not"
    for each in made[:2] + made[5:]:
        [encoding] = each.encodings
        assert encoding.embeddings is not None
        assert (encoding.embeddings == int(each.clip.clip_id)).all()


class Together:
    """An encoder on a GPU that reads several clips at once."""

    modality = "audio"
    name = "together"
    width = 4

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.sizes: list[int] = []

    def encode(self, raw: RawClip) -> np.ndarray:
        [result] = self.encode_clips([raw])
        if isinstance(result, EncodeError):
            raise result
        return result

    def encode_clips(self, raws: list[RawClip]) -> list[np.ndarray | EncodeError]:
        self.sizes.append(len(raws))
        results: list[np.ndarray | EncodeError] = []
        for raw in raws:
            assert raw.waveform is not None
            value = raw.waveform[0]
            results.append(EncodeError("no") if value == 3 else np.full((1, 4), value, np.float16))
        return results


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_gpu_encodes_neighbouring_clips_together_and_a_cpu_each_alone(device) -> None:
    encoder = Together(device)
    jobs = []
    for i in range(20):
        record = pack(RawClip(None, np.full(8000, i, np.int16), 0.5), Sampling())
        jobs.append(EncodeJob(Clip(f"{i}", Path()), record, (0,)))
    jobs[5] = EncodeJob(Clip("5", Path()), None)
    jobs[6] = EncodeJob(Clip("6", Path()), b"no record", (0,))
    made = list(LocalBackend([encoder], 1, Sampling()).encode(iter(jobs)))
    assert [each.clip for each in made] == [job.clip for job in jobs]
    assert sorted(encoder.sizes) == ([1] * 18 if device == "cpu" else [4, 14])
    assert made[5].encodings == () and made[6].encodings[0].reason
    assert made[3].encodings[0].reason == "no"
    for i in (0, 4, 7, 19):
        assert (made[i].encodings[0].embeddings == i).all()
