"""predict reads the transcript beside a video, and names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.planted import save_family
from typer.testing import CliRunner

from semanticmac import load
from semanticmac.cli import app


def refused(*words: object) -> str:
    """What the program says, in one line, of words that it cannot do anything with."""
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "1000"})
    assert done.exit_code != 0, done.output
    return (
        str(done.exception)
        if type(done.exception) is not SystemExit
        else " ".join(done.output.split())
    )


@pytest.fixture(scope="module")
def reader(film, tmp_path_factory) -> tuple[Path, Path]:
    """(a run that reads text and sound, a folder of one clip that has a transcript beside it)."""
    root = tmp_path_factory.mktemp("reader")
    save_family("bert", root / "bert")
    (root / "clips").mkdir()
    lines = ["file,text,label,split"]
    for n in range(3):
        film(root / "clips" / f"{n}.mp4", 1.0)
        lines += [f"{n}.mp4,good bad,{n - 1},{split}" for split in ("train", "valid")]
    (root / "clips/clips.csv").write_text("\n".join(lines) + "\n")
    (root / "raw").mkdir()
    shutil.copy(root / "clips/0.mp4", root / "raw/ok clip.mp4")
    (root / "raw/ok clip.txt").write_text("good\ngood\n")
    small = {"d_model": 8, "heads": 2, "perceiver_layers": 1, "sgfi_layers": 1, "epochs": 1}
    words = [f"{key}={value}" for key, value in small.items()] + [f'language="{root / "bert"}"']
    settings = [part for word in words for part in ("--set", word)]
    for line in (
        [
            "cache",
            "folder",
            "--root",
            root / "clips",
            "--cache",
            root / "cache",
            "--encoder",
            "imagebind-tiny",
        ],
        ["train", "--cache", root / "cache", "--run", root / "run", *settings],
    ):
        done = CliRunner().invoke(app, [str(word) for word in line])
        assert done.exit_code == 0, done.output + str(done.exception)
    return root / "run", root / "raw"


def test_a_file_is_predicted_as_its_folder_is_and_its_transcript_is_named(reader):
    run, folder = reader

    def predicted(*words: object) -> dict:
        done = CliRunner().invoke(
            app, [str(word) for word in ("predict", *words, "--run", run, "--json")]
        )
        assert done.exit_code == 0, done.output + str(done.exception)
        return json.loads(done.stdout)

    of_folder, of_file = predicted(folder), predicted(folder / "ok clip.mp4")
    assert (
        of_file["predictions"] == of_folder["predictions"]
        and of_file["predictions"][0]["clip"] == "ok clip"
    )
    note = f"the transcript was read from {folder / 'ok clip.txt'}"
    assert note in of_file["notes"]
    silent = predicted(folder / "ok clip.mp4", "--text", "")
    assert silent["predictions"][0]["scores"]["text"] is None and note not in silent["notes"]
    assert note not in predicted(folder / "ok clip.mp4", "--without", "text")["notes"]
    assert (
        load(run).predict(folder / "ok clip.mp4").outputs["text"] is None
    )  # Python reads no file unasked


def test_one_text_for_a_folder_of_clips_is_refused(reader):
    run, folder = reader
    said = refused("predict", folder, "--text", "good", "--run", run)
    assert f"a text belongs to one file, but {folder} is a folder" in said
