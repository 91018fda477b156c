"""Warnings that every table and page repeats about the encoder of a model."""

from __future__ import annotations

from semanticmac.cache.keys import Fingerprint


def encoder_notes(fingerprint: Fingerprint) -> tuple[str, ...]:
    """A warning where the encoder is untrained or has never seen real people; empty for others."""
    name = fingerprint.encoder
    if fingerprint.demo_only:
        return (
            f"{name} knows drawn faces and synthetic voices only "
            "and says nothing about real people",
        )
    if not fingerprint.trained:
        return (
            f"{name} is untrained (random weights): what it makes of video and audio means little",
        )
    return ()
