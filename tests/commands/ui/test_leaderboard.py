"""The leaderboard in a terminal: names that fit 80 columns."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from support.leaderboards import board

from semanticmac.commands.ui.leaderboard import leaderboard_table


def test_choices_of_streams_are_letters_with_a_legend() -> None:
    plain = board()
    rows = []
    for row in plain.rows:
        for choice in ("vision=clip-large@layer11,audio=wavlm-large@layer12", "vision=tiny"):
            name = f"{row.name} · {choice}"
            if row.kind == "constant":
                choice = ""
                name = row.name
            rows.append(replace(row, name=name, streams=choice))
    console = Console(width=80, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(leaderboard_table(replace(plain, rows=tuple(rows))), crop=False)
    lines = capture.get().splitlines()
    [best, *_] = [line for line in lines if "mult · A" in line]
    assert best.split()[3:5] == ["1", "0.600"] and "best" in best
    assert "A: vision=clip-large@layer11,audio=wavlm-large@layer12" in lines
    assert any("text · B" in line for line in lines) and "B: vision=tiny" in lines
    assert not any("…" in line for line in lines)
