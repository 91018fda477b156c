"""Vision encoders against transformers' own forward pass, on tiny random models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_encoders import KIND_OF, VISION_KINDS, clip_with, save_encoder

from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.protocol import EncodeError
from semanticmac.preprocess.encoders.registry import open_encoder
from semanticmac.preprocess.encoders.transformers_vision import CHUNK_ROWS, TransformersVision


def opened(name: str, folder: Path, ending: str = "") -> TransformersVision:
    encoder = open_encoder(f"{KIND_OF[name]}:{folder}{ending}", "vision", "cpu")
    assert isinstance(encoder, TransformersVision)
    return encoder


@pytest.fixture(scope="module", params=VISION_KINDS)
def saved(request: Any, tmp_path_factory: Any) -> tuple[str, Path, Any]:
    folder = tmp_path_factory.mktemp("models") / request.param
    return request.param, folder, save_encoder(request.param, folder)


@torch.inference_mode()
def test_rows_equal_the_forward_pass_of_transformers(saved):
    name, folder, model = saved
    encoder, raw = opened(name, folder), clip_with(frames=3)
    rows = encoder.encode(raw)
    output = model(**encoder.prepare(raw.frames))
    expected = output.image_embeds if name == "clip" else output.pooler_output
    assert rows.dtype == np.float16 and rows.shape == (3, encoder.width)
    np.testing.assert_allclose(rows, expected.numpy(), rtol=2e-3, atol=1e-3)


@torch.inference_mode()
def test_a_layer_is_that_hidden_state(saved):
    name, folder, model = saved
    encoder, raw = opened(name, folder, "@layer2"), clip_with(frames=2)
    assert encoder.name == f"{folder.name}@layer2" and encoder.width == 16
    states = model(**encoder.prepare(raw.frames), output_hidden_states=True).hidden_states[2]
    expected = states.mean(1) if name.startswith("siglip") else states[:, 0]
    np.testing.assert_allclose(encoder.encode(raw), expected.numpy(), rtol=2e-3, atol=1e-3)


def test_batches_and_neighbours_change_nothing(saved):
    name, folder, _ = saved
    encoder = opened(name, folder)
    long = clip_with(frames=CHUNK_ROWS + 3, seed=1)
    first = encoder.encode(long)
    assert first.shape == (CHUNK_ROWS + 3, encoder.width)
    encoder.encode(clip_with(frames=2, seed=2))
    np.testing.assert_array_equal(encoder.encode(long), first)
    alone = encoder.encode(RawClip(long.frames[5:6], None, 0.5))
    np.testing.assert_allclose(alone[0], first[5], rtol=2e-3, atol=1e-3)


def test_black_and_single_pixels(saved):
    name, folder, _ = saved
    encoder = opened(name, folder)
    for frames in (np.zeros((2, 40, 60, 3), np.uint8), np.full((1, 1, 1, 3), 255, np.uint8)):
        rows = encoder.encode(RawClip(frames, None, 1.0))
        assert rows.shape == (len(frames), encoder.width) and np.isfinite(rows).all()


def test_a_clip_without_frames_has_no_rows(saved):
    name, folder, _ = saved
    encoder = opened(name, folder)
    assert encoder.encode(clip_with(audio=True)) is None
    with pytest.raises(EncodeError, match=r"lasts 0\.0 s"):
        encoder.encode(RawClip(None, None, 0.0))


def test_the_fingerprint_tells_layers_and_weights_apart(tmp_path):
    save_encoder("clip", tmp_path / "clip")
    whole = opened("clip", tmp_path / "clip").fingerprint(Sampling())
    layer = opened("clip", tmp_path / "clip", "@layer1").fingerprint(Sampling())
    assert (whole.modality, whole.encoder, whole.width) == ("vision", "clip", 12)
    assert whole.architecture != layer.architecture and whole.weights == layer.weights
    model = save_encoder("clip", tmp_path / "other" / "clip")
    assert opened("clip", tmp_path / "other" / "clip").fingerprint(Sampling()) == whole
    model.visual_projection.weight.data += 1
    model.save_pretrained(tmp_path / "other" / "clip")
    assert opened("clip", tmp_path / "other" / "clip").fingerprint(Sampling()) != whole


def test_the_vision_tower_of_a_whole_clip_model(tmp_path):
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    config = CLIPConfig(
        vision_config=small | {"num_hidden_layers": 2, "image_size": 32, "patch_size": 8},
        text_config=small | {"num_hidden_layers": 1, "vocab_size": 20},
        projection_dim=12,
    )
    save_encoder("clip", tmp_path / "whole")
    (tmp_path / "whole/model.safetensors").unlink()
    model = CLIPModel(config).eval()
    model.save_pretrained(tmp_path / "whole")
    encoder, raw = opened("clip", tmp_path / "whole"), clip_with(frames=2)
    assert encoder.width == 12
    with torch.inference_mode():
        output = model.get_image_features(**encoder.prepare(raw.frames))
        expected = getattr(output, "pooler_output", output)
    np.testing.assert_allclose(encoder.encode(raw), expected.numpy(), rtol=2e-3, atol=1e-3)


def test_larger_inputs_are_named(tmp_path, capsys):
    save_encoder("clip", tmp_path / "clip")
    settings = tmp_path / "clip/preprocessor_config.json"
    settings.write_text('{"size": 336, "crop_size": 336}')
    open_encoder(f"clip:{tmp_path}/clip", "vision", "cpu")
    assert "reads frames of 336 pixels" in capsys.readouterr().err


def test_another_kind_is_refused(tmp_path):
    save_encoder("dinov2", tmp_path / "dino")
    with pytest.raises(CheckpointError, match=r"'dinov2', which is no clip.*write dino:FOLDER"):
        open_encoder(f"clip:{tmp_path}/dino", "vision", "cpu")


def test_clips_together_are_those_alone_up_to_the_rounding_of_float16(saved):
    name, folder, _ = saved
    encoder = opened(name, folder, "@layer2")
    clips = [clip_with(frames=3, seed=1), RawClip(None, np.zeros(8000, np.int16), 0.5)]
    clips += [clip_with(frames=CHUNK_ROWS + 1, seed=2)]
    together = encoder.encode_clips(clips)
    assert together[1] is None
    for raw, rows in zip(clips, together, strict=True):
        if rows is not None:
            np.testing.assert_allclose(rows, encoder.encode(raw), rtol=2e-3, atol=1e-3)
    encoder.device = torch.device("cuda")
    assert encoder.fingerprint(Sampling()).batched
