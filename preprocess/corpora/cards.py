"""What is known of each corpus before it is read: its task, its counts, where it comes from, and under which terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semanticmac.core import SPLITS

Counts = tuple[int, int, int]  # train, valid, test


@dataclass(frozen=True)
class CorpusCard:
    """One corpus at a glance. Counts are of labelled clips; None = the source names none."""

    name: str
    title: str
    task: str
    official: Counts | None  # of the official lists, whole; what a perfect download gives
    paper: Counts | None  # what the SemanticMAC paper trained, validated and tested on
    source: str
    terms: str
    folder: str  # what is expected in the corpus folder, in one line
    remark: str = ""  # why the counts differ, where they do

    def official_counts(self) -> Mapping[str, int]:
        return dict(zip(SPLITS, self.official, strict=True)) if self.official else {}

    def paper_counts(self) -> Mapping[str, int]:
        return dict(zip(SPLITS, self.paper, strict=True)) if self.paper else {}


_COMMON = "label.csv, Raw/<video_id>/<clip_id>.mp4"
_MOSEI = "Transcript/Segmented/Combined, Videos/Segmented/Combined or Videos/Full/Combined, Labels/*.csv, splits.csv"
_CMU = "github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK names the raw download"
_READ_TERMS = "read the terms at the source before you use it; the videos are other people's"

CARDS: Mapping[str, CorpusCard] = {
    card.name: card
    for card in (
        CorpusCard(
            "mosi",
            "CMU-MOSI",
            "sentiment, −3 … 3 (regression), English",
            official=(1284, 229, 686),
            paper=(1284, 229, 686),
            source=_CMU,
            terms=_READ_TERMS,
            folder=f"{_COMMON}; or Raw/Transcript/Segmented, Raw/Video/Segmented, Labels, splits.csv",
        ),
        CorpusCard(
            "mosei",
            "CMU-MOSEI, sentiment",
            "sentiment, −3 … 3 (regression), English",
            official=(16326, 1871, 4659),
            paper=(16326, 1871, 4659),
            source=_CMU,
            terms=_READ_TERMS,
            folder=f"{_COMMON}; or {_MOSEI}",
        ),
        CorpusCard(
            "mosei-emotion",
            "CMU-MOSEI, emotions",
            "six emotions, several a clip or none (multi-label), English",
            official=None,
            paper=(16322, 1871, 4659),
            source=_CMU,
            terms=_READ_TERMS,
            folder=_MOSEI,
        ),
        CorpusCard(
            "sims",
            "CH-SIMS",
            "sentiment, −1 … 1 in steps of 0.2 (regression), Chinese, with labels for text, sound and picture alone",
            official=(1368, 456, 457),
            paper=(1368, 456, 457),
            source="github.com/thuiar/MMSA names the download",
            terms=_READ_TERMS,
            folder=_COMMON,
            remark="split by clip: nearly every source video stands in train and test",
        ),
        CorpusCard(
            "simsv2",
            "CH-SIMS v2",
            "sentiment, −1 … 1 (regression), Chinese, with labels for text, sound and picture alone",
            official=(2722, 647, 1034),
            paper=(2722, 647, 1034),
            source="github.com/thuiar/ch-sims-v2 names the download",
            terms=_READ_TERMS,
            folder=f"{_COMMON}; the label file may be called meta.csv",
            remark="contains all of CH-SIMS",
        ),
        CorpusCard(
            "iemocap",
            "IEMOCAP",
            "six emotions (one an utterance), English, in dialogues",
            official=None,
            paper=(5228, 519, 1622),
            source="sail.usc.edu/iemocap, on request",
            terms="a signed release form of the University of Southern California; it may not be passed on",
            folder="Session1 … Session5, each with dialog/avi/DivX, dialog/transcriptions, dialog/EmoEvaluation",
            remark="the corpus names no valid part; it is a seeded tenth of the dialogues of sessions 1–4",
        ),
        CorpusCard(
            "meld",
            "MELD",
            "seven emotions (one an utterance), English, in dialogues",
            official=(9989, 1109, 2610),
            paper=(9765, 1102, 2524),
            source="github.com/declare-lab/MELD names the download",
            terms="repository under GPL-3.0; the pictures are those of a television series",
            folder="{train,dev,test}_sent_emo.csv, train_splits, dev_splits_complete, output_repeated_splits_test",
            remark="papers leave out clips that they could not decode, each a different number",
        ),
        CorpusCard(
            "urfunny",
            "UR-FUNNY V2",
            "humour, yes or no (binary), English",
            official=None,
            paper=(7614, 980, 994),
            source="github.com/ROC-HCI/UR-FUNNY names the download",
            terms=_READ_TERMS,
            folder="urfunny2_videos/<id>.mp4, language_sdk.pkl, humor_label_sdk.pkl, data_folds.pkl",
            remark="V2 has 10166 excerpts; the paper's list is of another release",
        ),
        CorpusCard(
            "mustard",
            "MUStARD",
            "sarcasm, yes or no (binary), English, with the scene before it",
            official=(497, 55, 138),
            paper=(554, 68, 68),
            source="github.com/soujanyaporia/MUStARD names the download",
            terms="repository under MIT; the pictures are those of television series",
            folder="data/sarcasm_data.json, data/split_indices.json (or .p), utterances_final, context_final",
            remark="five official folds of 552 / 138; valid is a seeded tenth of the 552, because the folds name none",
        ),
    )
}
