"""Feature files of arithmetic content, and their import into a cache."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.opening import StreamReader, open_cached
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.features.import_features import ImportReport, import_features

AUDIO, VISION = 5, 20  # widths of the two modalities
Part = dict[str, object]


def number(clip: int, row: int, column: int) -> float:
    """The number of a feature array at one clip, row and column."""
    return 1 + clip * 100 + row * 10 + column / 4


def padded_features(clips: range, rows: int, width: int, lengths: list[int]) -> np.ndarray:
    """(N, rows, width) float32; each number encodes clip, row and column.

    Rows after a clip's length are zeros.
    """
    array = np.zeros((len(clips), rows, width), np.float32)
    for index, clip in enumerate(clips):
        for row in range(lengths[index]):
            array[index, row] = [number(clip, row, column) for column in range(width)]
    return array


def feature_split(first: int, count: int, with_lengths: bool = True) -> Part:
    clips = range(first, first + count)
    audio_lengths = [1 + clip % 3 for clip in clips]
    vision_lengths = [1 + clip % 4 for clip in clips]
    features = {
        "id": [f"-v_{clip // 3}$_${clip % 3}" for clip in clips],
        "raw_text": np.array([f"“text” {clip}" for clip in clips], dtype=object),
        "text_bert": np.zeros((count, 3, 4), np.int64),
        "audio": padded_features(clips, 3, AUDIO, audio_lengths),
        "vision": padded_features(clips, 4, VISION, vision_lengths),
        "regression_labels": np.linspace(-3, 3, count).astype(np.float32),
        "annotations": np.array(["Positive"] * count),
    }
    if with_lengths:
        features["audio_lengths"] = audio_lengths
        features["vision_lengths"] = np.array(vision_lengths)
    return features


def feature_pickle(with_lengths: bool = True) -> dict[str, Part]:
    return {
        "train": feature_split(0, 6, with_lengths),
        "valid": feature_split(6, 3, with_lengths),
        "test": feature_split(9, 3, with_lengths),
    }


def save_pickle(data: object, folder: Path, protocol: int = 4) -> Path:
    path = folder / "features.pkl"
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    return path


def import_file(
    path: Path, dataset: str = "mosi", **options: object
) -> tuple[ImportReport, CacheLayout]:
    layout = CacheLayout(path.parent / "cache")
    return import_features(path, dataset, layout, lambda *_: None, **options), layout


def read_dataset(layout: CacheLayout, name: str = "mosi") -> tuple[Manifest, StreamReader]:
    opened = open_cached(layout, name)
    return opened.manifest, opened.reader


def assert_refused(tmp_path: Path, data: object, message: str, dataset: str = "mosi") -> None:
    with pytest.raises(CorpusError, match=message):
        import_file(save_pickle(data, tmp_path), dataset)
    assert not (tmp_path / "cache" / "datasets").exists()


def with_column(split: str, key: str, value: object) -> dict[str, Part]:
    data = feature_pickle()
    data[split][key] = value
    return data


def with_number(value: float, key: str = "vision") -> dict[str, Part]:
    data = feature_pickle()
    data["valid"][key][1, 0, 2] = value
    return data
