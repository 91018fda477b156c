"""The faces of a build's clips: found once, kept in the cache, given to the face encoders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from semanticmac.cache.face_store import FaceStore
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.core import ProgressFn
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding.isolation import DecodedClip
from semanticmac.preprocess.faces.find_all import find_all
from semanticmac.preprocess.faces.finder import FinderSpec, open_finder


@dataclass(frozen=True)
class FaceInput:
    """What a face encoder reads of one clip: its record, or the reason why there is none."""

    record: bytes | None
    reason: str = ""


class StoredFaces:
    """The open face stores of a build. Close it, or use it as `with closing(...)`."""

    def __init__(
        self, layout: CacheLayout, finders: Sequence[FinderSpec | None], sampling: Sampling
    ) -> None:
        """finders: the finder of each encoder, by its position; None: it reads whole frames.

        Raises DetectorError for a file that is no detector.
        """
        self.finders = tuple(finders)
        self._sampling = sampling
        self._stack = ExitStack()
        self._stores: dict[FinderSpec, FaceStore] = {}
        self._reasons: dict[tuple[FinderSpec, str], str] = {}
        for spec in dict.fromkeys(finders):
            if spec is not None:
                info = open_finder(spec).info
                store = FaceStore(layout.faces / info.name, info)
                self._stores[spec] = self._stack.enter_context(store)

    def close(self) -> None:
        self._stack.close()

    def find(
        self, clips: Mapping[str, Clip], store: FrameStore, workers: int, progress: ProgressFn
    ) -> None:
        """Finds the faces of those clips (by content key) that a face store lacks."""
        for spec, faces in self._stores.items():
            missing = {key: clip for key, clip in clips.items() if key not in faces}
            if missing:
                self._find_by(spec, faces, missing, store, workers, progress)

    def _find_by(
        self,
        spec: FinderSpec,
        faces: FaceStore,
        clips: Mapping[str, Clip],
        store: FrameStore,
        workers: int,
        progress: ProgressFn,
    ) -> None:
        def decoded() -> Iterator[DecodedClip]:
            for key, clip in clips.items():
                yield DecodedClip(clip, store.record(key))

        failed = 0
        found = find_all(decoded(), [spec], self._sampling, workers)
        with closing(found):
            for done, (key, result) in enumerate(zip(clips, found, strict=True), 1):
                if spec in result.records:
                    faces.put(key, result.records[spec])
                else:
                    failed += 1
                    self._reasons[spec, key] = result.reasons[spec]
                progress("finding faces", done, len(clips), failed)

    def inputs(self, key: str, positions: Sequence[int]) -> dict[int, FaceInput]:
        """What the face encoders at these positions read of a clip."""
        inputs = {}
        for position in positions:
            spec = self.finders[position]
            if spec is None:
                continue
            if (spec, key) in self._reasons:
                inputs[position] = FaceInput(None, self._reasons[spec, key])
            else:
                inputs[position] = FaceInput(self._stores[spec].record(key))
        return inputs
