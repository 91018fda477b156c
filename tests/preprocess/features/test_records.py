"""Feature arrays without their padding, and the errors for invalid numbers, lengths and labels."""

import numpy as np
import pytest
from support.feature_files import (
    assert_refused,
    feature_pickle,
    import_file,
    read_dataset,
    save_pickle,
    with_column,
    with_number,
)


def test_leading_padding_is_removed_without_lengths(tmp_path):
    data = feature_pickle(with_lengths=False)
    # Aligned features are padded in front.
    data["train"]["audio"] = data["train"]["audio"][:, ::-1].copy()
    _, layout = import_file(save_pickle(data, tmp_path))
    manifest, reader = read_dataset(layout)
    assert [len(reader.get(row.key).audio) for row in manifest.split("train")] == [1, 2, 3, 1, 2, 3]


def test_a_modality_of_zeros_is_missing_and_a_clip_of_zeros_fails(tmp_path):
    data = feature_pickle()
    data["test"]["vision"][:2] = 0
    data["test"]["audio"][1] = 0
    report, layout = import_file(save_pickle(data, tmp_path))
    manifest, reader = read_dataset(layout)
    assert report.failed == 1
    assert [row.clip_id for row in manifest.split("test")] == ["-v_3_0", "-v_3_2"]
    assert reader.get(manifest.split("test")[0].key).vision is None
    assert "every number is 0" in layout.failures("mosi").read_text()


def test_zero_infinite_reads_minus_infinity_in_audio_as_zero(tmp_path):
    _, layout = import_file(
        save_pickle(with_number(-np.inf, "audio"), tmp_path), zero_infinite=True
    )
    manifest, reader = read_dataset(layout)
    assert reader.get(manifest.split("valid")[1].key).audio[0, 2] == 0
    assert "−inf in audio was read as 0" in manifest.notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            with_number(np.nan),
            r"valid: vision of clip '-v_2_1' holds 1 numbers that are NaN or infinite\. "
            r"The first is nan in row 0, column 2",
        ),
        (
            with_number(-np.inf, "audio"),
            r"valid: audio of clip '-v_2_1' .* --zero-infinite reads −inf in audio as 0",
        ),
        (
            with_number(70000.0),
            r"valid: vision of clip '-v_2_1' holds ±70000, but the cache keeps float16",
        ),
        (
            with_column("test", "audio", np.zeros((2, 3, 5))),
            r"test: audio has the shape \(2, 3, 5\), but the file names 3 clips",
        ),
        (
            with_column("test", "audio", np.zeros((3, 5))),
            r"test: audio is float64 \(3, 5\), expected .* \(clips, rows, width\)",
        ),
        (
            with_column("test", "audio", np.ones((3, 3, 6))),
            r"audio is 5 and 6 numbers wide, expected the same",
        ),
        (
            with_column("test", "audio_lengths", [1, 9, 1]),
            r"test: audio: clip 1 has the length 9, expected 0 … 3",
        ),
        (
            with_column("test", "regression_labels", [0, 0, 4.0]),
            r"'-v_3\$_\$2', multimodal label: label 4\.0 lies outside -3\.0 … 3\.0",
        ),
        (with_column("test", "id", ["a", "a", "b"]), r"the clip id 'test_a' stands twice"),
    ],
)
def test_the_error_names_the_invalid_number_length_or_label(tmp_path, data, message):
    assert_refused(tmp_path, data, message)
