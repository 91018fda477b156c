"""Facts about each public corpus before its download: task, counts, source, terms, layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from semanticmac.core import SPLITS

Counts = tuple[int, int, int]  # train, valid, test


@dataclass(frozen=True)
class CorpusCard:
    """One corpus in short. Counts are of labelled clips; None = the source gives none."""

    name: str
    title: str
    task: str
    official: Counts | None  # of the official lists, in a complete download
    paper: Counts | None  # of the SemanticMAC paper
    source: str
    terms: str
    folder: str  # expected content of the corpus folder, in one line
    remark: str = ""  # for example why the counts differ
    unseen: bool = False  # the reader was written from public descriptions alone

    def official_counts(self) -> Mapping[str, int]:
        """The official counts by split; empty if there are none."""
        return _by_split(self.official)

    def paper_counts(self) -> Mapping[str, int]:
        """The paper's counts by split; empty if there are none."""
        return _by_split(self.paper)


def _by_split(counts: Counts | None) -> Mapping[str, int]:
    return {} if counts is None else dict(zip(SPLITS, counts, strict=True))


UNSEEN = (
    "this layout was read from public descriptions and was not seen on a real copy: check the "
    "counts and labels, and report what differs"
)
_COMMON = "label.csv, Raw/<video_id>/<clip_id>.mp4"
_MOSEI = (
    "Transcript/Segmented/Combined, Videos/Segmented/Combined or Videos/Full/Combined, "
    "Labels/*.csv, splits.csv"
)
_CMU = "github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK links to the raw download"
_IEMOCAP = "sail.usc.edu/iemocap, on request"
_IEMOCAP_TERMS = (
    "a signed release form of the University of Southern California; the data may not be passed on"
)
_IEMOCAP_FOLDER = (
    "Session1 … Session5, each with dialog/avi/DivX, dialog/transcriptions, dialog/EmoEvaluation"
)
_READ_TERMS = "read the terms at the source first; the videos belong to other people"

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
            folder=f"{_COMMON}; or Raw/Transcript/Segmented, Raw/Video/Segmented, Labels, "
            "splits.csv",
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
            "six emotions, none or several for each clip (multi-label), English",
            official=None,
            paper=(16322, 1871, 4659),
            source=_CMU,
            terms=_READ_TERMS,
            folder=_MOSEI,
        ),
        CorpusCard(
            "sims",
            "CH-SIMS",
            "sentiment, −1 … 1 in steps of 0.2 (regression), Chinese, "
            "also with labels for text, audio and vision alone",
            official=(1368, 456, 457),
            paper=(1368, 456, 457),
            source="github.com/thuiar/MMSA links to the download",
            terms=_READ_TERMS,
            folder=_COMMON,
            remark="split by clip: nearly every source video is in both train and test",
        ),
        CorpusCard(
            "simsv2",
            "CH-SIMS v2",
            "sentiment, −1 … 1 (regression), Chinese, "
            "also with labels for text, audio and vision alone",
            official=(2722, 647, 1034),
            paper=(2722, 647, 1034),
            source="github.com/thuiar/ch-sims-v2 links to the download",
            terms=_READ_TERMS,
            folder=f"{_COMMON}; the label file may be called meta.csv",
            remark="contains all of CH-SIMS",
        ),
        CorpusCard(
            "iemocap",
            "IEMOCAP",
            "six emotions (one for each utterance), English, in dialogues",
            official=None,
            paper=(5228, 519, 1622),
            source=_IEMOCAP,
            terms=_IEMOCAP_TERMS,
            folder=_IEMOCAP_FOLDER,
            remark="the corpus has no valid part; it is a seeded tenth of the dialogues of "
            "sessions 1–4",
        ),
        CorpusCard(
            "iemocap-dimensions",
            "IEMOCAP, dimensions",
            "valence, arousal and dominance, 1 … 5 each (regression of three scores), English, in "
            "dialogues",
            official=None,
            paper=None,
            source=_IEMOCAP,
            terms=_IEMOCAP_TERMS,
            folder=_IEMOCAP_FOLDER,
            remark="the download of iemocap: all 10,039 utterances, also those of no class; the "
            "splits are those of iemocap",
        ),
        CorpusCard(
            "meld",
            "MELD",
            "seven emotions (one for each utterance), English, in dialogues",
            official=(9989, 1109, 2610),
            paper=(9765, 1102, 2524),
            source="github.com/declare-lab/MELD links to the download",
            terms="repository under GPL-3.0; the videos come from a television series",
            folder="{train,dev,test}_sent_emo.csv, train_splits, dev_splits_complete, "
            "output_repeated_splits_test",
            remark="papers leave out undecodable clips; their number differs",
        ),
        CorpusCard(
            "urfunny",
            "UR-FUNNY V2",
            "humour, yes or no (binary), English",
            official=None,
            paper=(7614, 980, 994),
            source="github.com/ROC-HCI/UR-FUNNY links to the download",
            terms=_READ_TERMS,
            folder="urfunny2_videos/<id>.mp4, language_sdk.pkl, "
            "humor_label_sdk.pkl, data_folds.pkl",
            remark="V2 has 10166 excerpts; the paper uses the list of another release",
        ),
        CorpusCard(
            "mustard",
            "MUStARD",
            "sarcasm, yes or no (binary), English, with the scene before it",
            official=(497, 55, 138),
            paper=(554, 68, 68),
            source="github.com/soujanyaporia/MUStARD links to the download",
            terms="repository under MIT; the videos come from television series",
            folder="data/sarcasm_data.json, data/split_indices.json (or .p), utterances_final, "
            "context_final",
            remark="five official folds of 552 / 138; valid is a seeded tenth of the 552, because "
            "the folds have no valid part",
        ),
        CorpusCard(
            "m3ed",
            "M3ED",
            "seven emotions (one for each utterance), Chinese, in dialogues",
            official=(17427, 2821, 4201),
            paper=None,
            source="github.com/AIM3-RUC/RUCM3ED, on request",
            terms=_READ_TERMS,
            folder="annotation.json, splitInfo/movie_list_{train,val,test}.txt, "
            "modality_speech/<speaker>_<utterance>.wav or video of the same name",
            remark="the clips are audio where no video is there; a few audio files are empty",
            unseen=True,
        ),
        CorpusCard(
            "cherma",
            "CHERMA",
            "seven emotions (one for each clip), Chinese, "
            "also with labels for text, audio and vision alone",
            official=None,
            paper=None,
            source="github.com/sunjunaimer/LFMIM names the authors and the features",
            terms=_READ_TERMS,
            folder="{train,dev,test}.json, video/<split>/<file>",
            unseen=True,
        ),
        CorpusCard(
            "emotiontalk",
            "EmotionTalk",
            "seven emotions (one for each utterance), Chinese, in dialogues, "
            "also with labels for text, audio and vision alone",
            official=None,
            paper=None,
            source="huggingface.co/datasets/BAAI/Emotiontalk",
            terms="CC BY-NC-SA 4.0",
            folder="{Multimodal,Text,Audio,Video}/json/<recording>/<id>.json, Multimodal/mp4, "
            "Audio/wav",
            remark="test is the recordings G00003 and G00015; valid is a seeded tenth of the rest",
            unseen=True,
        ),
        CorpusCard(
            "mer2023",
            "MER2023",
            "six emotions (one for each clip), Chinese",
            official=None,
            paper=None,
            source="huggingface.co/datasets/MERChallenge/MER2023, on request",
            terms="an agreement for academic research; the data may not be passed on",
            folder="train-label.csv (name, discrete), train/<name>.avi or .mp4, test1-label.csv, "
            "test1, transcription.csv",
            remark="test is test1; the clips of test2 and test3 have no split",
            unseen=True,
        ),
        CorpusCard(
            "cremad",
            "CREMA-D",
            "six acted emotions (one for each clip), English, twelve sentences, 91 actors",
            official=None,
            paper=None,
            source="github.com/CheyneyComputerScience/CREMA-D",
            terms="Open Database License",
            folder="VideoFlash/<actor>_<sentence>_<emotion>_<level>.flv, AudioWAV/….wav",
            remark="7442 clips; no official split: speakers are divided",
            unseen=True,
        ),
        CorpusCard(
            "ravdess",
            "RAVDESS, speech",
            "eight acted emotions (one for each clip), English, two sentences, 24 actors",
            official=None,
            paper=None,
            source="zenodo.org/record/1188976",
            terms="CC BY-NC-SA 4.0",
            folder="Actor_01/01-01-…-01.mp4 … Actor_24, or 03-01-….wav without video",
            remark="1440 speech recordings, songs are left out; no official split: speakers are "
            "divided. The audio files were seen on a real copy, the video files were not",
        ),
    )
}
