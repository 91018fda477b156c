"""TrainError: training cannot start or cannot continue."""

from __future__ import annotations


class TrainError(Exception):
    """Training cannot start or cannot continue; the message says why."""
