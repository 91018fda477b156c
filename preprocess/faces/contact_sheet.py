"""A picture of clips with the faces that were found in them, to see whether the right one speaks.

One row of frames for each clip. The box of the chosen face is green, those of the others orange; a
dashed line says that the row has no face and takes the crop of the nearest one. The clips whose
choice was the least clear come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from semanticmac.cache.face_records import NO_FACE, FaceClip, FaceTrack
from semanticmac.preprocess.faces.speaker import NOT_MEASURED

FRAME_HEIGHT_PX = 112
FRAMES = 6  # of one clip, evenly spread over it
CAPTION_PX, GAP_PX = 16, 6
CHOSEN, OTHER, INK, PAPER = (30, 160, 60), (225, 120, 20), (30, 30, 30), (255, 255, 255)
MOST_CLIPS = 40


@dataclass(frozen=True)
class SheetClip:
    """One clip of a sheet."""

    clip_id: str
    frames: np.ndarray | None  # the stored ones (F, H, W, 3); None: they are gone or there are none
    faces: FaceClip


def least_clear(clips: Sequence[SheetClip]) -> list[SheetClip]:
    """The clips in the order of their margins: clips without a face, then close choices."""
    return sorted(clips, key=_clearness)


def draw_sheet(clips: Sequence[SheetClip]) -> Image.Image:
    """The picture of these clips, in their order."""
    strips = [_strip(clip) for clip in clips]
    width = max([strip.width for strip in strips], default=200)
    height = sum(strip.height + GAP_PX for strip in strips) + GAP_PX
    sheet = Image.new("RGB", (width + 2 * GAP_PX, height), PAPER)
    top = GAP_PX
    for strip in strips:
        sheet.paste(strip, (GAP_PX, top))
        top += strip.height + GAP_PX
    return sheet


def caption(clip: SheetClip) -> str:
    """What a sheet says of one clip."""
    faces = clip.faces
    if not faces.tracks:
        return f"{clip.clip_id}: {faces.reason}"
    motions = []
    for index, track in enumerate(faces.tracks):
        mark = "*" if index in faces.chosen else ""
        motion = "one frame" if track.motion == NOT_MEASURED else f"{track.motion:.2f}"
        motions.append(f"{motion}{mark}")
    return f"{clip.clip_id}: {faces.reason}; motion of the faces {', '.join(motions)}"


def _clearness(clip: SheetClip) -> tuple[bool, float, str]:
    return bool(clip.faces.tracks), clip.faces.margin, clip.clip_id


def _strip(clip: SheetClip) -> Image.Image:
    pictures = _pictures(clip)
    width = max(sum(picture.width + 2 for picture in pictures), 600)
    strip = Image.new("RGB", (width, CAPTION_PX + FRAME_HEIGHT_PX), PAPER)
    ImageDraw.Draw(strip).text((0, 2), caption(clip), fill=INK)
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, CAPTION_PX))
        left += picture.width + 2
    return strip


def _pictures(clip: SheetClip) -> list[Image.Image]:
    """A few frames with the boxes in them; where the frames are gone, the crops."""
    source = clip.faces.crops if clip.frames is None else clip.frames
    if source is None:
        return []
    rows = np.unique(np.linspace(0, len(source) - 1, FRAMES).round().astype(int))
    pictures = []
    for row in rows:
        frame = Image.fromarray(source[row])
        scale = FRAME_HEIGHT_PX / frame.height
        picture = frame.resize((max(1, round(frame.width * scale)), FRAME_HEIGHT_PX))
        if clip.frames is not None:
            _draw_boxes(picture, clip.faces, int(row), scale)
        pictures.append(picture)
    return pictures


def _draw_boxes(picture: Image.Image, faces: FaceClip, row: int, scale: float) -> None:
    draw = ImageDraw.Draw(picture)
    chosen = faces.chosen[row] if row < len(faces.chosen) else NO_FACE
    for index, track in enumerate(faces.tracks):
        box = _box_at(track, row)
        if box is None:
            continue
        colour, width = (CHOSEN, 3) if index == chosen else (OTHER, 1)
        draw.rectangle([edge * scale for edge in box], outline=colour, width=width)
    if chosen == NO_FACE:
        bottom = picture.height - 4
        for left in range(2, picture.width - 8, 16):
            draw.line((left, bottom, left + 8, bottom), fill=CHOSEN, width=2)


def _box_at(track: FaceTrack, row: int) -> list[float] | None:
    """The box between its neighbours in time; None where the track does not last."""
    if not track.frames[0] <= row <= track.frames[-1]:
        return None
    edges = np.array(track.boxes)
    return [float(np.interp(row, track.frames, edges[:, edge])) for edge in range(4)]
