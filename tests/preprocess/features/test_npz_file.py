"""Features from plain arrays with a table beside them."""

import zipfile

import numpy as np
import pytest
from support.feature_files import AUDIO, import_file, padded_features, read_dataset

from semanticmac.preprocess.clip import CorpusError


def test_clips_of_the_table_are_imported_from_plain_arrays(tmp_path):
    path = tmp_path / "own.npz"
    np.savez(
        path,
        id=np.array(["a", "b", "007", "c"]),
        audio=padded_features(range(4), 3, AUDIO, [1, 2, 3, 1]),
    )
    path.with_suffix(".csv").write_text(
        "clip_id,split,text,label\na,train,Hi,joy\n007,dev,,fear\nb,test,,joy\n"
    )
    report, layout = import_file(path, "meld")
    manifest, reader = read_dataset(layout, "meld")
    assert [(row.clip_id, row.split, row.text) for row in manifest.rows] == [
        ("a", "train", "Hi"),
        ("b", "test", ""),
        ("007", "valid", ""),
    ]
    assert (report.audio_width, report.vision_width) == (AUDIO, 0)
    assert reader.get(manifest.rows[1].key).audio.shape == (2, AUDIO)
    assert reader.get(manifest.rows[1].key).vision is None
    assert any(
        "1 clip is in own.npz and not in own.csv; left out: c" in note for note in manifest.notes
    )


@pytest.mark.parametrize(
    ("arrays", "rows", "message"),
    [
        ({"id": ["a"]}, "b,train,0\n", r"1 clip of .*own\.csv without features in .*own\.npz: b"),
        ({"id": ["a", "a"]}, "a,train,0\n", r"own\.npz: the id 'a' appears twice"),
        ({"id": [["a"]]}, "a,train,0\n", r"own\.npz: expected `id` \(N,\), the name of each clip"),
        (
            {"id": ["a"], "audio": np.array([{}])},
            "a,train,0\n",
            r"own\.npz is no \.npz of plain arrays",
        ),
        (
            {"id": ["a"], "audio_lengths": [[1]]},
            "a,train,0\n",
            r"audio_lengths has the shape \(1, 1\), expected \(1,\)",
        ),
        ({"id": ["a"]}, "a,train,0\n", r"holds neither audio nor vision of any clip"),
        ({"id": ["a"]}, "a,train,9\n", r"own\.csv, line 2: label: label 9\.0 lies outside"),
        (
            {"id": ["a"]},
            "a,train,0\na,train,0\n",
            r"line 3: the clip_id 'a' appears twice; it is also in line 2",
        ),
        ({"id": ["a"]}, "", r"own\.csv names no clips"),
        ({"id": ["a"]}, None, r"own\.npz needs .*own\.csv beside it"),
    ],
)
def test_the_error_names_the_defect_of_the_arrays_or_of_the_table(tmp_path, arrays, rows, message):
    path = tmp_path / "own.npz"
    count = len(arrays["id"])
    audio = {"audio": np.ones((count, 2, 3))} if "audio_lengths" in arrays else {}
    np.savez(path, **audio, **arrays)
    if rows is not None:
        path.with_suffix(".csv").write_text("clip_id,split,label\n" + rows)
    with pytest.raises(CorpusError, match=message):
        import_file(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_array_that_announces_terabytes_is_refused_before_it_is_read(tmp_path, compressed):
    path = tmp_path / "own.npz"
    path.with_suffix(".csv").write_text("clip_id,split,text,label\na,train,Hi,joy\n")
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("audio.npy", "w") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (1, 2 * 10**9, 1000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(1000))
    message = r"own\.npz: the header of `audio` announces 8,000,000,000,000 bytes"
    with pytest.raises(CorpusError, match=message):
        import_file(path, "meld")
