"""Decoding and encoding as one line of work: they overlap, keep the order of the corpus, and lose only what is lost."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from semanticmac.cache.embedding_store import EmbeddingWriter
from semanticmac.cache.frame_codec import pack
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings, RawClip
from semanticmac.cache.shard_format import read_index
from semanticmac.preprocess.clip import Clip, ClipStatus
from semanticmac.preprocess.decoding import isolation
from semanticmac.preprocess.encoders.protocol import EncodeError
from semanticmac.preprocess.pipeline import GPU_FEEDERS, DecodedClip, LocalBackend, Pipeline

HERE = Path(__file__).parent
GUARD_S = 60.0  # a generous deadline; nothing here should come near it
CLIPS = 12


class Slow:
    """An encoder that takes its time: its first clip is not done before the next three are decoded."""

    width = 4
    device = torch.device("cpu")

    def __init__(self, folder: Path, refuses: int = -1) -> None:
        self.folder, self.refuses, self.calls = folder, refuses, 0

    def encode(self, raw: RawClip) -> Embeddings:
        self.calls += 1
        deadline = time.monotonic() + GUARD_S
        while self.calls == 1 and not all((self.folder / f"{i}.done").exists() for i in (1, 2, 3)):
            assert time.monotonic() < deadline, "nothing was decoded while a clip was encoded"
            time.sleep(0.01)
        if self.calls - 1 == self.refuses:
            raise EncodeError("this one not")
        return Embeddings(None, np.full((2, 4), self.calls, np.float16))


@pytest.fixture
def clips(tmp_path, monkeypatch) -> list[Clip]:
    monkeypatch.syspath_prepend(str(HERE))
    import worker_jobs

    monkeypatch.setattr(isolation, "decode_and_pack", worker_jobs.pretend_to_decode)
    return [Clip(str(i), tmp_path / f"{i}.wav") for i in range(CLIPS)]


def run(clips: list[Clip], folder: Path, encoder: Slow) -> tuple[Pipeline, list[ClipStatus]]:
    writer = EmbeddingWriter(folder / "made", Fingerprint("slow", "", "", False, 4, Sampling()))
    with FrameStore(folder / "frames", writable=True) as store:
        statuses = [ClipStatus(f"key-{i:02d}", clip) for i, clip in enumerate(clips)]
        for status in statuses:
            if status.key in store:
                status.state = "cached"
        backend = LocalBackend(encoder, 1, Sampling())
        pipeline = Pipeline(statuses, store, writer, backend, lambda *_: None)
        pipeline.run()
        assert all(status.key in store and status.record is None for status in statuses)
    return pipeline, statuses


def test_clips_are_decoded_while_one_is_encoded(clips, tmp_path):
    pipeline, statuses = run(clips, tmp_path, Slow(tmp_path))
    assert (pipeline.decoded, pipeline.encoded) == (CLIPS, CLIPS)
    assert {status.state for status in statuses} == {"cached"}
    [shard] = read_index(tmp_path / "made")
    assert list(shard.keys) == [status.key for status in statuses]


def test_a_clip_that_cannot_be_encoded_costs_only_itself(clips, tmp_path):
    pipeline, statuses = run(clips, tmp_path, Slow(tmp_path, refuses=2))
    assert (pipeline.decoded, pipeline.encoded) == (CLIPS, CLIPS - 1)
    failed = {status.key: status.reason for status in statuses if status.state == "failed"}
    assert failed == {"key-02": "this one not"}
    again = Slow(tmp_path)
    pipeline, _ = run(clips, tmp_path, again)
    assert (pipeline.decoded, pipeline.encoded, again.calls) == (0, 1, 1)


class OnGpu:
    """An encoder as on a GPU: it returns from a clip when GPU_FEEDERS of them are in its hands."""

    device = torch.device("cuda")

    def __init__(self) -> None:
        self.barrier = threading.Barrier(GPU_FEEDERS)

    def encode(self, raw: RawClip) -> Embeddings:
        assert raw.waveform is not None
        self.barrier.wait(GUARD_S)
        if raw.waveform[0] == 3:
            raise EncodeError("this one not")
        return Embeddings(None, np.full((1, 4), raw.waveform[0], np.float16))


def test_a_gpu_is_fed_by_several_threads_and_the_order_stays() -> None:
    clips = 3 * GPU_FEEDERS
    ready = [
        DecodedClip(f"{i:02d}", pack(RawClip(None, np.full(8000, i, np.int16), 0.5), Sampling()))
        for i in range(clips)
    ]
    ready.insert(2, DecodedClip("there", None))
    taken: list[int] = []

    def asked():
        for i, clip in enumerate(ready):
            taken.append(i)
            yield clip

    made = []
    for done in LocalBackend(OnGpu(), 1, Sampling()).encode(asked()):
        made.append(done)
        assert len(taken) - len(made) <= 2 * GPU_FEEDERS  # no further ahead: records take memory
    assert [each.key for each in made] == [clip.key for clip in ready]
    assert made[2].embeddings is None and made[4].reason == "this one not"
    for each in made[:2] + made[5:]:
        assert each.embeddings is not None and each.embeddings.audio is not None
        assert (each.embeddings.audio == int(each.key)).all()
