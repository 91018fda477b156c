"""A rough English pronunciation: letters to speech sounds, each with its acoustic properties."""

from __future__ import annotations

import re
from dataclasses import dataclass

from numpy.random import Generator


@dataclass(frozen=True)
class Phone:
    """One speech sound of an average adult voice."""

    formants: tuple[float, float, float]  # resonances of the vocal tract, Hz
    voiced: float  # strength of the voice, 0 … 1
    noise: float  # strength of the hiss made in the mouth
    noise_hz: float  # where that hiss is loudest
    seconds: float  # length at an average tempo
    opening: float  # how far the lips are apart, 0 … 1

    @property
    def syllabic(self) -> bool:
        """True for vowels: they carry the melody."""
        return self.voiced == 1.0


def _vowel(f1: float, f2: float, f3: float, seconds: float, opening: float) -> Phone:
    return Phone((f1, f2, f3), 1.0, 0.0, 0.0, seconds, opening)


# Formants of the vowels after Peterson and Barney (1952), means of men.
PHONES: dict[str, Phone] = {
    "AA": _vowel(730, 1090, 2440, 0.125, 1.0),
    "AE": _vowel(660, 1720, 2410, 0.120, 0.9),
    "AH": _vowel(640, 1190, 2390, 0.080, 0.65),
    "AO": _vowel(570, 840, 2410, 0.125, 0.8),
    "EH": _vowel(530, 1840, 2480, 0.100, 0.65),
    "ER": _vowel(490, 1350, 1690, 0.110, 0.45),
    "IH": _vowel(390, 1990, 2550, 0.075, 0.4),
    "IY": _vowel(270, 2290, 3010, 0.105, 0.35),
    "UH": _vowel(440, 1020, 2240, 0.080, 0.4),
    "UW": _vowel(300, 870, 2240, 0.110, 0.25),
    "M": Phone((260, 1000, 2200), 0.55, 0.0, 0, 0.070, 0.0),
    "N": Phone((260, 1500, 2500), 0.55, 0.0, 0, 0.060, 0.2),
    "L": Phone((360, 1100, 2600), 0.70, 0.0, 0, 0.060, 0.35),
    "R": Phone((360, 1200, 1600), 0.70, 0.0, 0, 0.060, 0.3),
    "W": Phone((300, 700, 2200), 0.65, 0.0, 0, 0.055, 0.1),
    "Y": Phone((270, 2200, 2900), 0.65, 0.0, 0, 0.050, 0.3),
    "B": Phone((250, 900, 2200), 0.20, 0.10, 900, 0.055, 0.0),
    "D": Phone((250, 1700, 2600), 0.20, 0.15, 3500, 0.050, 0.2),
    "G": Phone((250, 1900, 2300), 0.20, 0.15, 2200, 0.055, 0.25),
    "P": Phone((400, 900, 2200), 0.0, 0.20, 1200, 0.075, 0.0),
    "T": Phone((400, 1700, 2600), 0.0, 0.35, 4500, 0.070, 0.2),
    "K": Phone((400, 1900, 2300), 0.0, 0.30, 2400, 0.075, 0.25),
    "S": Phone((350, 1700, 2600), 0.0, 0.60, 6200, 0.090, 0.2),
    "SH": Phone((350, 1800, 2500), 0.0, 0.60, 3200, 0.095, 0.25),
    "F": Phone((350, 1100, 2300), 0.0, 0.25, 5000, 0.080, 0.1),
    "TH": Phone((350, 1400, 2500), 0.25, 0.12, 5500, 0.055, 0.2),
    "H": Phone((500, 1500, 2500), 0.0, 0.25, 1600, 0.055, 0.5),
    "Z": Phone((300, 1700, 2600), 0.45, 0.30, 6200, 0.070, 0.2),
    "V": Phone((300, 1100, 2300), 0.50, 0.10, 4500, 0.055, 0.1),
    " ": Phone((500, 1500, 2500), 0.0, 0.0, 0, 0.015, 0.15),
    ",": Phone((500, 1500, 2500), 0.0, 0.0, 0, 0.120, 0.1),
}

# Spelling → sounds. The pronunciation is rough: words need rhythm and timbre, but nobody has to
# understand them.
SPELLINGS: dict[str, str] = {
    "tion": "SH AH N", "ough": "AO", "augh": "AE F", "igh": "AA IH", "ould": "UH D",
    "eigh": "EH IY", "tch": "T SH", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AA UH",
    "ow": "AO UH", "ai": "EH IY", "ay": "EH IY", "oi": "AO IY", "oy": "AO IY", "au": "AO",
    "aw": "AO", "ew": "Y UW", "ie": "IY", "th": "TH", "sh": "SH", "ch": "T SH", "ph": "F",
    "wh": "W", "ck": "K", "ng": "N G", "qu": "K W", "er": "ER", "ir": "ER", "ur": "ER",
    "ar": "AA R", "or": "AO R", "ll": "L", "ss": "S", "tt": "T", "pp": "P", "rr": "R", "nn": "N",
    "mm": "M", "ff": "F", "dd": "D", "bb": "B", "a": "AE", "b": "B", "c": "K", "d": "D",
    "e": "EH", "f": "F", "g": "G", "h": "H", "i": "IH", "j": "D SH", "k": "K", "l": "L", "m": "M",
    "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V",
    "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip
_SPELLING = re.compile("|".join(sorted(SPELLINGS, key=len, reverse=True)))
_SILENT_E = re.compile(r"(?<=[aiou][bcdfghklmnprstvz])e$")  # silent, as in "time" and "made"
_SHORT = {
    "the": "TH AH", "a": "AH", "i": "AA IH", "my": "M AA IH", "of": "AH V", "was": "W AH Z",
    "is": "IH Z", "to": "T UW", "you": "Y UW", "so": "S AO UH", "no": "N AO UH", "we": "W IY",
    "she": "SH IY", "he": "H IY", "me": "M IY", "be": "B IY", "are": "AA R", "by": "B AA IH",
}  # fmt: skip


def pronounce(text: str) -> list[Phone]:
    """The sounds of a text, with short gaps between words and pauses at punctuation marks.

    A text without any letter of a … z (another script, only digits) has no sounds.
    """
    names: list[str] = []
    for word, mark in re.findall(r"([a-z']+)|([,;:.!?])", text.lower()):
        if mark:
            names.append(",")
            continue
        if names and names[-1] != ",":
            names.append(" ")
        if word in _SHORT:
            names += _SHORT[word].split()
        else:
            for match in _SPELLING.finditer(_SILENT_E.sub("", word)):
                names += SPELLINGS[match.group()].split()
    while names and names[-1] in " ,":
        names.pop()
    return [PHONES[name] for name in names]


_ONSETS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "sh", "th")
_NUCLEI = ("a", "e", "i", "o", "u", "ee", "oo", "ai", "ou")
_CODAS = ("", "", "n", "s", "l", "t")


def babble(words: int, rng: Generator) -> str:
    """Words without meaning, of one or two syllables; they occur in no corpus."""

    def syllable() -> str:
        return "".join(part[int(rng.integers(len(part)))] for part in (_ONSETS, _NUCLEI, _CODAS))

    spoken: list[str] = []
    for _ in range(words):
        word = syllable()
        if rng.random() < 0.5:
            word += syllable()
        spoken.append(word)
    return " ".join(spoken)
