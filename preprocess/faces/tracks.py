"""Boxes of single frames → tracks: the same face over time, linked by overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from semanticmac.preprocess.faces.detector import Faces, overlap

LEAST_OVERLAP = 0.3  # of a face with itself, half a second later
MOST_MISSED = 2  # frames in which a face may go undetected before its track ends


@dataclass
class Track:
    """One face over time."""

    frames: list[int] = field(default_factory=list)  # ascending; may leave some out
    boxes: list[np.ndarray] = field(default_factory=list)  # (4,) each
    scores: list[float] = field(default_factory=list)

    @property
    def first(self) -> int:
        return self.frames[0]

    @property
    def last(self) -> int:
        return self.frames[-1]

    def lasts_at(self, frame: float) -> bool:
        """Whether the face is in the picture, detected or between two detections."""
        return self.first <= frame <= self.last

    def box_at(self, frame: float) -> np.ndarray:
        """(4,) the box between its neighbours in time; at both ends the nearest one."""
        edges = np.stack(self.boxes)
        return np.array([np.interp(frame, self.frames, edges[:, edge]) for edge in range(4)])

    def steady_box_at(self, frame: float) -> np.ndarray:
        """`box_at` with the median width and height of the track: boxes of detectors flicker."""
        left, top, right, bottom = self.box_at(frame)
        edges = np.stack(self.boxes)
        width, height = np.median(edges[:, 2:] - edges[:, :2], axis=0)
        x, y = (left + right) / 2, (top + bottom) / 2
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])

    def area(self) -> float:
        """The mean area of its boxes, in square pixels."""
        edges = np.stack(self.boxes)
        return float(np.prod(edges[:, 2:] - edges[:, :2], axis=1).mean())

    def add(self, frame: int, box: np.ndarray, score: float) -> None:
        self.frames.append(frame)
        self.boxes.append(box)
        self.scores.append(score)


def link(detections: Sequence[Faces]) -> list[Track]:
    """The tracks of a clip, in the order of their first frame. Largest overlaps are linked first.

    A face that was not detected in up to MOST_MISSED frames keeps its track.
    """
    ended: list[Track] = []
    open_tracks: list[Track] = []
    for frame, faces in enumerate(detections):
        still_open: list[Track] = []
        for track in open_tracks:
            target = still_open if frame - track.last <= MOST_MISSED + 1 else ended
            target.append(track)
        open_tracks = still_open
        linked = _linked(open_tracks, faces)
        for index in range(len(faces)):
            if index not in linked:
                linked[index] = Track()
                open_tracks.append(linked[index])
            linked[index].add(frame, faces.boxes[index], float(faces.scores[index]))
    tracks = [*ended, *open_tracks]
    return sorted(tracks, key=_first_box)


def _linked(tracks: Sequence[Track], faces: Faces) -> dict[int, Track]:
    """Index of a detection → the track that it goes on."""
    pairs: list[tuple[float, int, int]] = []
    for number, track in enumerate(tracks):
        overlaps = overlap(track.boxes[-1], faces.boxes)
        for index in np.flatnonzero(overlaps >= LEAST_OVERLAP):
            pairs.append((-float(overlaps[index]), number, int(index)))
    linked: dict[int, Track] = {}
    taken: set[int] = set()
    for _, number, face in sorted(pairs):
        if face not in linked and number not in taken:
            linked[face] = tracks[number]
            taken.add(number)
    return linked


def _first_box(track: Track) -> tuple[int, float]:
    return track.first, float(track.boxes[0][0])
