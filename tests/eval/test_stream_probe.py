"""Probes of cached streams: who is scored, on what, and in which order."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from support.planted import TASKS, planted_clips, write_corpus

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.stream_catalogue import open_writer
from semanticmac.eval import linear_probe, stream_probe
from semanticmac.eval.metrics.bootstrap import bootstrap
from semanticmac.eval.report.probe_table import probe_json, probe_table
from semanticmac.eval.stream_features import ProbeError, choose_features
from semanticmac.eval.stream_probe import ProbeReport, group_names, plan_probe, run_probe

SIZES = (60, 24, 24)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples and penalties, for speed; other tests check the intervals and the choice."""
    monkeypatch.setattr(stream_probe, "bootstrap", partial(bootstrap, resamples=20))
    monkeypatch.setattr(linear_probe, "STRENGTHS", (1.0, 100.0))


def add_stream(layout: CacheLayout, name: str, rows: dict[str, np.ndarray]) -> Fingerprint:
    """An audio stream of width 3 with these embeddings by content key."""
    stream = Fingerprint("audio", name, "a", name, trained=True, width=3, sampling=Sampling())
    writer = open_writer(layout, stream)
    for key, embeddings in rows.items():
        writer.add(key, embeddings.astype(np.float16))
    writer.finish()
    return stream


def read(layout: CacheLayout) -> Manifest:
    return Manifest.read(layout.manifest("planted"))


def probed(layout: CacheLayout, names: tuple[str, ...] = (), **options: object) -> ProbeReport:
    manifest = read(layout)
    plan = plan_probe(manifest, **options)
    chosen = choose_features(layout, manifest, plan.rows, names)
    return run_probe(plan, chosen.streams, lambda *_: None, chosen.notes)


@pytest.fixture(params=sorted(TASKS))
def layout(request, tmp_path):
    """A corpus of six speakers, whose streams of audio are: noise, and the label itself."""
    task = TASKS[request.param]
    layout = write_corpus(tmp_path, task, planted_clips(request.param, SIZES))
    manifest = read(layout)
    rows = [replace(row, speaker=f"p{i % 6}") for i, row in enumerate(manifest.rows)]
    replace(manifest, rows=tuple(rows)).write(layout.manifest("planted"))
    draw = np.random.default_rng(0)
    clear, noise = {}, {}
    for row in rows:
        label = np.nan_to_num(np.resize(np.array(row.label), 3))
        clear[row.key] = label + 0.1 * draw.normal(size=(row.frames, 3))
        noise[row.key] = draw.normal(size=(row.frames, 3))
    add_stream(layout, "clear", clear)
    add_stream(layout, "noise", noise)
    return layout


@pytest.mark.parametrize("options", [{}, {"split": "test"}, {"leave_out": "speaker"}], ids=str)
def test_streams_are_ranked(layout, options):
    report = probed(layout, **options)
    names = [stream.name for stream in report.streams]
    assert names[0] == "clear" and set(names) == {"clear", "noise", "tiny"}
    best, higher = report.streams[0], report.constant.scores[report.constant.scores.main]
    if higher.higher_is_better:
        assert best.main > report.constant.main
    else:
        assert best.main < report.constant.main
    interval = best.interval_of(best.scores.main)
    assert interval.low <= best.main <= interval.high
    scored = {"leave_out": 84}.get(next(iter(options), ""), 24)
    assert len(report.plan.scored) == len(set(report.plan.scored)) == scored
    assert ("choose nothing" in " ".join(report.notes)) == (options.get("split") == "test")


def test_no_fold_has_a_speaker_on_both_sides(layout):
    plan = plan_probe(read(layout), leave_out="speaker")
    for fold in plan.folds:
        train = {plan.rows[number].speaker for number in fold.train}
        assert train.isdisjoint({plan.rows[number].speaker for number in fold.scored})
    splits = {row.split for row in plan.rows}
    assert len(plan.folds) == 6 and splits == {"train", "valid"}
    assert {row.split for row in plan_probe(read(layout), "test", "speaker").rows} == {
        "train",
        "valid",
        "test",
    }


def test_the_table_starts_with_the_constant(layout):
    report = probed(layout, ("clear", "noise"))
    table = probe_table(report)
    assert [row.name for row in table.rows][1:] == ["clear", "noise"]
    assert table.rows[0].origin == "constant"
    assert table.columns[1].header == report.constant.scores.main
    assert table.columns[2].header == f"95 % interval of {report.constant.scores.main}"
    found = probe_json(report)
    assert found["scored"] == 24 and [each["name"] for each in found["streams"]][1:] == [
        "clear",
        "noise",
    ]


def test_clips_without_a_modality_get_the_constant(tmp_path):
    clips = planted_clips("regression", SIZES)
    clips = [replace(clip, audio=None) if clip.split == "valid" else clip for clip in clips]
    layout = write_corpus(tmp_path, TASKS["regression"], clips)
    report = probed(layout)
    audio = next(stream for stream in report.streams if stream.modality == "audio")
    assert audio.lacking == 24 and audio.main == report.constant.main


def test_a_stream_with_too_few_clips_is_left_out_or_asked_for(tmp_path):
    layout = write_corpus(tmp_path, TASKS["regression"], planted_clips("regression", SIZES))
    rows = read(layout).rows
    add_stream(layout, "half", {row.key: np.ones((2, 3)) for row in rows[:70]})
    report = probed(layout)
    assert "audio half is left out: it lacks 14 of 84 clips" in " ".join(report.notes)
    assert [stream.name for stream in report.streams] == ["tiny", "tiny"]
    assert probed(layout, ("half",)).streams[0].lacking == 14


def test_streams_of_one_name_have_the_names_of_their_folders(tmp_path):
    layout = write_corpus(tmp_path, TASKS["regression"], planted_clips("regression", SIZES))
    rows = read(layout).rows
    for weights in ("a", "b"):
        stream = Fingerprint("audio", "twin", "a", weights, True, 3, Sampling())
        writer = open_writer(layout, stream)
        for row in rows:
            writer.add(row.key, np.ones((2, 3), np.float16))
        writer.finish()
    names = [stream.name for stream in probed(layout, ("twin",)).streams]
    assert len(set(names)) == 2 and all(name.startswith("audio-twin-") for name in names)


def test_features_of_another_dataset_are_matched_by_clip_id(tmp_path):
    layout = write_corpus(tmp_path, TASKS["regression"], planted_clips("regression", SIZES))
    manifest = read(layout)
    other = []
    rows = {}
    for i, row in enumerate(manifest.rows[:-30]):
        key = f"{i + 5000:032x}"
        other.append(replace(row, key=key, label=[0.0] if i == 0 else row.label))
        rows[key] = np.resize(np.array(row.label), (2, 3))
    add_stream(layout, "covarep", rows)
    replace(manifest, dataset="imported", corpus="imported", rows=tuple(other)).write(
        layout.manifest("imported")
    )
    plan = plan_probe(manifest)
    chosen = choose_features(layout, manifest, plan.rows, ("covarep", "tiny"), ("imported",))
    report = run_probe(plan, chosen.streams, lambda *_: None, chosen.notes)
    assert report.streams[0].name == "imported: covarep"
    assert report.streams[0].lacking == len(plan.rows) - 78 and len(report.streams) == 3
    assert "1 clips have another label in imported" in " ".join(report.notes)


def test_features_are_standardised_for_each_speaker(tmp_path):
    layout = write_corpus(tmp_path, TASKS["regression"], planted_clips("regression", SIZES))
    manifest = read(layout)
    rows = [replace(row, speaker=f"p{i % 6}") for i, row in enumerate(manifest.rows)]
    replace(manifest, rows=tuple(rows)).write(layout.manifest("planted"))
    offset = {}
    for i, row in enumerate(rows):  # Who speaks moves the features far more than the label does.
        offset[row.key] = np.resize(np.array(row.label) + 50.0 * ((i % 6) ** 2 % 5), (2, 3))
    add_stream(layout, "offset", offset)
    plain = probed(layout, ("offset",), leave_out="speaker").streams[0]
    own = probed(layout, ("offset",), leave_out="speaker", per_speaker=True).streams[0]
    assert own.main < 0.3 < plain.main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leave_out": "speaker"}, "84 of 84 labelled clips of planted have no speaker"),
        ({"per_speaker": True}, "84 of 84 labelled clips of planted have no speaker"),
        ({"split": "train"}, "expected valid or test"),
    ],
    ids=str,
)
def test_what_is_refused(tmp_path, options, message):
    layout = write_corpus(tmp_path, TASKS["regression"], planted_clips("regression", SIZES))
    with pytest.raises(ProbeError, match=message):
        plan_probe(read(layout), **options)


def test_unknown_streams_and_missing_labels(tmp_path):
    layout = write_corpus(tmp_path, TASKS["regression"], planted_clips("regression", SIZES))
    with pytest.raises(ProbeError, match=r"there is no stream 'nothing' \(cached: tiny, tiny\)"):
        probed(layout, ("nothing",))
    with pytest.raises(ProbeError, match="has no labels"):
        plan_probe(replace(read(layout), task=None))
    rows = [replace(row, split="train") for row in read(layout).rows]
    with pytest.raises(ProbeError, match="108 labelled clips in train and 0 in valid"):
        plan_probe(replace(read(layout), rows=tuple(rows)))


def test_groups(tmp_path):
    clips = planted_clips("regression", (8, 8, 8))
    rows = read(write_corpus(tmp_path, TASKS["regression"], clips)).rows[:8]
    assert group_names(rows) == [f"train{i // 4}" for i in range(8)]
    alone = [replace(row, dialogue=None) for row in rows]
    assert group_names(alone) == [f"train{i}" for i in range(8)]
    with_speakers = [replace(row, speaker=str(i % 2)) for i, row in enumerate(rows)]
    assert group_names(with_speakers) == ["0", "1"] * 4


def test_the_table_of_mosei_has_the_numbers_of_the_paper(tmp_path):
    clips = planted_clips("regression", (24, 12, 8))
    layout = write_corpus(tmp_path, TASKS["regression"], clips)
    replace(read(layout), corpus="mosei").write(layout.manifest("planted"))
    table = probe_table(probed(layout))
    headers = [column.header for column in table.columns]
    quoted = {(row.name, row.cells[0].text): row.cells for row in table.rows[3:]}
    assert all(len(row.cells) == len(headers) for row in table.rows)
    manual = quoted[("manual (paper)", "audio")]
    assert manual[headers.index("Acc-3")].text == "42.3"
    assert manual[headers.index("MAE")].text == "0.824"
    assert len(quoted) == 6
