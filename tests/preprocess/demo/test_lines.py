"""The lines of the demo corpus: many, original, and divided between the splits."""

from __future__ import annotations

import pytest

from semanticmac.preprocess.demo.lines import LINES, lines_of


def test_lines_are_many_original_and_held_out():
    everything = [line for level in LINES.values() for line in level]
    assert sorted(LINES) == [-3, -2, -1, 0, 1, 2, 3]
    assert len(everything) == len(set(everything)) >= 120
    for level, lines in LINES.items():
        parts = [lines_of(split, level) for split in ("train", "valid", "test")]
        assert sorted(line for part in parts for line in part) == sorted(lines)
        assert min(len(part) for part in parts) >= 3
    with pytest.raises(ValueError, match="split='dev', expected one of train, valid, test"):
        lines_of("dev", 0)
