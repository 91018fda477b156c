"""Which packet shows at which time: the packets of one track as arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from semanticmac.cache.records import TIE_S

JUMP_S = 0.5  # a clock that goes back by more begins anew
USUAL_S = 0.04  # how long a frame shows where nothing tells


@dataclass(frozen=True)
class PacketTable:
    """Every packet of one track in file order; N packets."""

    tick_s: float  # seconds of one tick of the track's clock
    pts: np.ndarray  # (N,) int64 ticks; where the container has none, dts
    dts: np.ndarray  # (N,) int64 ticks
    duration: np.ndarray  # (N,) int64 ticks; 0 = not stated
    key: np.ndarray  # (N,) bool: decoding may begin here
    hidden: np.ndarray  # (N,) bool: decoded, never shown (an edit list cut it off)
    complete: bool  # every packet has a pts of its own, and no two are equal
    jump_s: float | None = None  # where the order of decoding jumps back: the file was joined
    evened: bool = False  # pts are not those of the packets: stamps named the wrong frames

    @classmethod
    def of(
        cls, rows: Iterable[tuple[int | None, int | None, int, bool, bool]], tick_s: float
    ) -> PacketTable:
        """rows: (pts, dts, duration, key, hidden) of each packet."""
        all_pts, all_dts, durations = array("q"), array("q"), array("q")
        flags = bytearray()
        without_pts = False
        last = 0
        jump_s, last_dts = None, None
        for pts, dts, duration, key, hidden in rows:
            without_pts = without_pts or pts is None
            if pts is None:
                pts = last if dts is None else dts
            if dts is None:
                dts = pts
            elif jump_s is None and last_dts and dts < last_dts - JUMP_S / tick_s:
                jump_s = last_dts * tick_s
            else:
                last_dts = dts
            last = pts
            all_pts.append(pts)
            all_dts.append(dts)
            durations.append(max(0, duration or 0))
            flags.append(key | hidden << 1)
        bits = np.frombuffer(bytes(flags), np.uint8)
        pts_array = np.array(all_pts, np.int64)
        return cls(
            tick_s,
            pts_array,
            np.array(all_dts, np.int64),
            np.array(durations, np.int64),
            (bits & 1).astype(bool),
            (bits & 2).astype(bool),
            not without_pts and len(np.unique(pts_array)) == len(pts_array),
            jump_s,
        )

    def __len__(self) -> int:
        return len(self.pts)

    def with_pts(self, pts: np.ndarray) -> PacketTable:
        """The same packets at other times; itself where no time differs."""
        if np.array_equal(pts, self.pts):
            return self
        return replace(self, pts=pts, complete=False, evened=True)

    @cached_property
    def displacement(self) -> int:
        """By how many places a packet stands elsewhere in the file than in the order of times."""
        in_file = np.sort(self.order)
        places = np.searchsorted(in_file, self.order)
        return int(np.abs(places - np.arange(len(places))).max(initial=0))

    @cached_property
    def order(self) -> np.ndarray:
        """Indices of the packets that are shown, in the order of their times."""
        shown = np.flatnonzero(~self.hidden)
        return shown[np.argsort(self.pts[shown], kind="stable")]

    @cached_property
    def starts_s(self) -> np.ndarray:
        """(n,) seconds at which the packets of `order` begin, on the file's own clock."""
        starts_s: np.ndarray = self.pts[self.order] * self.tick_s
        return starts_s

    @cached_property
    def end_s(self) -> float:
        """The end of the last shown packet, on the file's own clock."""
        duration = float(self.duration[self.order[-1]]) * self.tick_s
        return float(self.starts_s[-1]) + (duration or usual_step_s(self.starts_s))

    def showing_at(self, times_s: np.ndarray) -> np.ndarray:
        """Positions in `order` of what shows at each time; the first where nothing shows yet."""
        following = np.searchsorted(self.starts_s, times_s + TIE_S, side="right")
        positions: np.ndarray = np.maximum(following - 1, 0)
        return positions

    def entries(self, packet: int) -> list[int]:
        """Packets at which decoding may begin in order to get `packet`, the nearest first.

        At most two key packets are tried before the start of the file: a container may mark
        packets as key that are none.
        """
        keys = np.flatnonzero(self.key[: packet + 1])
        keys = keys[self.pts[keys] <= self.pts[packet]]
        nearest = [int(key) for key in keys[-2:][::-1] if key > 0]
        return [*nearest, 0]


def usual_step_s(starts_s: np.ndarray) -> float:
    """How long a frame usually shows: the median step between (n,) starting times."""
    return float(np.median(np.diff(starts_s))) if len(starts_s) > 1 else USUAL_S


def last_end_s(tables: Iterable[PacketTable]) -> float:
    """The end of the longest track, in seconds on the clock of the file; 0 without packets."""
    return max((table.end_s for table in tables if len(table.order)), default=0.0)
