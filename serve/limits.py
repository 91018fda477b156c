"""Limits on how often one address may do something."""

from __future__ import annotations

import time
from collections import deque


class RateLimit:
    """At most `most` events a minute from each address."""

    WINDOW_S = 60.0
    MAX_ADDRESSES = 10_000

    def __init__(self, most: int) -> None:
        self._most = most
        self._events: dict[str, deque[float]] = {}

    def wait_s(self, address: str) -> float:
        """Seconds until the next event is allowed; 0 if it is allowed now."""
        events = self._current(address)
        if len(events) < self._most:
            return 0.0
        return events[0] + self.WINDOW_S - time.monotonic()

    def add(self, address: str) -> None:
        """Counts an event."""
        self._current(address).append(time.monotonic())

    def _current(self, address: str) -> deque[float]:
        """The events of the last minute."""
        now = time.monotonic()
        if address not in self._events and len(self._events) >= self.MAX_ADDRESSES:
            self._drop_old(now)
        events = self._events.setdefault(address, deque(maxlen=self._most))
        while events and events[0] <= now - self.WINDOW_S:
            events.popleft()
        return events

    def _drop_old(self, now: float) -> None:
        for address in list(self._events):
            events = self._events[address]
            if not events or events[-1] <= now - self.WINDOW_S:
                del self._events[address]
