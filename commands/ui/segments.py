"""The table of segmented recordings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from semanticmac.commands.ui.safe_console import plain_text

if TYPE_CHECKING:
    from semanticmac.preprocess.speech.recording import Recording

SHOWN = 30


def recordings_table(recordings: Mapping[str, Recording], method: str) -> Table:
    """One row a recording: its length, utterances, seconds of speech, words and speakers."""
    table = Table(title=f"utterances by {method}", title_justify="left", box=None, padding=(0, 1))
    table.add_column("recording", overflow="fold")
    for column in ("length", "utterances", "speech", "words", "speakers"):
        table.add_column(column, justify="right")
    for name, recording in list(recordings.items())[:SHOWN]:
        utterances = recording.utterances
        speech_s = sum(utterance.end_s - utterance.start_s for utterance in utterances)
        words = sum(len(utterance.text.split()) for utterance in utterances)
        speakers = {utterance.speaker for utterance in utterances if utterance.speaker}
        table.add_row(
            plain_text(name),
            clock(recording.duration_s),
            str(len(utterances)),
            clock(speech_s),
            str(words) if words else "none",
            str(len(speakers)) if speakers else "unknown",
        )
    if len(recordings) > SHOWN:
        table.add_row(f"… {len(recordings) - SHOWN} more", "", "", "", "", "")
    return table


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds: 75.2 → "1:15"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
