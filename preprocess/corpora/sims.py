"""CH-SIMS and CH-SIMS v2: the common layout, with labels for text, audio and vision alone too."""

from __future__ import annotations

from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Corpus, CorpusError
from semanticmac.preprocess.corpora.mmsa import label_file, read_common
from semanticmac.preprocess.corpora.options import Options

TASK = Task("regression", low=-1.0, high=1.0)


def read(root: Path, options: Options) -> Corpus:
    """CH-SIMS: `label.csv` beside `Raw/<video_id>/<clip_id>.mp4`."""
    return _read("sims", root, ("label.csv",))


def read_v2(root: Path, options: Options) -> Corpus:
    """CH-SIMS v2: like CH-SIMS, but the label file may also be called `meta.csv`."""
    return _read("simsv2", root, ("label.csv", "meta.csv"))


def _read(name: str, root: Path, names: tuple[str, ...]) -> Corpus:
    labels = label_file(root, names)
    if labels is None:
        raise CorpusError(
            f"{name}: {root} holds no {' or '.join(names)}; "
            "expected it beside Raw/<video_id>/<clip_id>.mp4"
        )
    return read_common(name, root, TASK, labels)
