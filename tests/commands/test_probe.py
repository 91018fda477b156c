"""The command probe: its table, its files and its options."""

from __future__ import annotations

import json

import pytest
from support.planted import TASKS, planted_clips, write_corpus
from support.program import semanticmac


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    clips = planted_clips("regression", (40, 16, 16))
    write_corpus(folder / "data/cache", TASKS["regression"], clips)
    return folder


def test_a_table_and_a_picture(folder):
    answer = semanticmac(folder, "probe")
    assert "planted · linear probes · valid" in answer.stdout
    assert "train mean" in answer.stdout and answer.stdout.count("tiny") == 2
    assert "fitted on 40 train clips, scored on 16 of valid" in answer.stdout
    written = sorted(path.name for path in (folder / "data/probe/planted").iterdir())
    assert written == ["probe.csv", "probe.png", "probe.svg"]


def test_json(folder):
    found = json.loads(semanticmac(folder, "probe", "--split", "test", "--json").stdout)
    assert found["split"] == "test" and found["main"] == "MAE" and len(found["streams"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--leave-out", "video"), "expected `speaker`"),
        (("--standardise", "all"), "expected `train` or `speaker`"),
        (("--streams", "tiny,other"), "there is no stream 'other'"),
        (("--beside", "other"), "does not hold the dataset 'other'"),
    ],
)
def test_what_is_refused(folder, words, message):
    answer = semanticmac(folder, "probe", *words, expect=2)
    assert message in " ".join(answer.stderr.split())
