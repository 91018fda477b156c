"""The licence of features is that of their encoder; of several the strictest binds."""

import pytest
from support.shared_cache import stream

from semanticmac.preprocess.sharing.card import card
from semanticmac.preprocess.sharing.header import select
from semanticmac.preprocess.sharing.licences import (
    CHECKPOINT,
    IMAGEBIND,
    MIT,
    OPENSMILE,
    binding_licence,
    licence_of,
)


@pytest.mark.parametrize(
    ("encoder", "spec", "licence"),
    [
        ("imagebind-huge", "", IMAGEBIND),
        ("imagebind-huge@bf16", "", IMAGEBIND),
        ("imagebind-tiny", "", MIT),
        ("logmel-stats", "logmel-stats", MIT),
        ("egemaps", "egemaps", OPENSMILE),
        ("clip-large", "clip:clip-large", CHECKPOINT),
        ("faces-imagebind-huge", "faces:yunet.onnx:imagebind-huge", IMAGEBIND),
        ("faces-clip", "faces:yunet.onnx@448:clip:clip", CHECKPOINT),
    ],
)
def test_each_encoder_has_its_licence(encoder, spec, licence):
    assert licence_of(stream("vision", encoder, 4, spec)) == licence


def test_the_strictest_of_several_binds():
    tiny, huge = stream("vision", "imagebind-tiny", 4), stream("vision", "imagebind-huge", 4)
    clip = stream("vision", "clip-large", 4, "clip:clip-large")
    assert binding_licence([tiny]) == MIT
    assert binding_licence([clip, tiny]) == CHECKPOINT
    assert binding_licence([tiny, huge, clip]) == IMAGEBIND
    assert binding_licence([huge, stream("audio", "egemaps", 88, "egemaps")]) == OPENSMILE


def test_the_card_states_it_where_the_hub_reads_it(layout):
    chosen = select(layout, "mosi", "all", "all")
    text = card(chosen.manifest, chosen.header, "me/mosi")
    head = text.split("---")[1]
    assert "license: cc-by-nc-sa-4.0" in head and "path: data/train-*.parquet" in head
    assert "**Licence of the features: CC BY-NC-SA 4.0 (Meta, ImageBind)" in text
    assert "no videos, no frames and no audio" in text
    assert 'load_dataset("me/mosi")' in text and "semanticmac pull-features me/mosi" in text
    faces = select(layout, "mosi", "faces-clip-large", "none")
    assert "license: other" in card(faces.manifest, faces.header, "me/mosi").split("---")[1]
