"""A real speech recogniser for tests: pocketsphinx with the grammar of GRID's sentences.

A grammar answers on anything with one of its sentences, so it is for tests only.
"""

from __future__ import annotations

import numpy as np
import pytest

from semanticmac.preprocess.speech.words import Word

GRAMMAR = """#JSGF V1.0;
grammar grid;
public <sentence> = <command> <colour> <preposition> <letter> <digit> <adverb>;
<command> = bin | lay | place | set;
<colour> = blue | green | red | white;
<preposition> = at | by | in | with;
<letter> = a | b | c | d | e | f | g | h | i | j | k | l | m | n | o | p | q | r | s | t | u | v
         | x | y | z;
<digit> = zero | one | two | three | four | five | six | seven | eight | nine;
<adverb> = again | now | please | soon;
"""
FRAME_S = 0.01


class GridRecogniser:
    """Recognises the sentences of the GRID corpus."""

    name = "pocketsphinx with a grammar"

    def __init__(self) -> None:
        pocketsphinx = pytest.importorskip("pocketsphinx")
        self._decoder = pocketsphinx.Decoder(samprate=16_000, loglevel="FATAL", lm=None)
        self._decoder.add_jsgf_string("grid", GRAMMAR)
        self._decoder.activate_search("grid")
        self.recordings = 0

    def begin(self) -> None:
        self.recordings += 1

    def words(self, waveform: np.ndarray) -> list[Word]:
        self._decoder.start_utt()
        self._decoder.process_raw(waveform.tobytes(), full_utt=True)
        self._decoder.end_utt()
        words: list[Word] = []
        for segment in self._decoder.seg() or ():
            text = segment.word.partition("(")[0]
            if text.isalpha():
                words.append(Word(text, segment.start_frame * FRAME_S, segment.end_frame * FRAME_S))
        return words


def word_errors(said: list[str], written: list[str]) -> int:
    """The edit distance between two lists of words."""
    row = list(range(len(written) + 1))
    for i, expected in enumerate(said, 1):
        previous, row = row, [i]
        for j, word in enumerate(written, 1):
            row.append(min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (word != expected)))
    return row[-1]
