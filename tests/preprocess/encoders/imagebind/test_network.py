"""The network against the reference's numbers and torch's attention; fixed random weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from semanticmac.preprocess.encoders.imagebind.checkpoint import read_checkpoint
from semanticmac.preprocess.encoders.imagebind.encoder import (
    TINY_SEED,
    normalise_pixels,
    weights_digest,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram
from semanticmac.preprocess.encoders.imagebind.network import (
    AUDIO_PATCHES,
    HUGE,
    TINY,
    Attention,
    ImageBind,
    ImageBindConfig,
    TowerConfig,
    draw_weights,
)

GOLDEN = Path(__file__).parents[4] / "../shared/data/golden"
needs_golden = pytest.mark.skipif(
    not GOLDEN.exists(), reason=f"the reference's numbers are not at {GOLDEN}"
)
SMALL = ImageBindConfig(TowerConfig(16, 2, 2), TowerConfig(12, 2, 3), output=8, picture_px=28)


@pytest.fixture
def golden(tmp_path: Path) -> tuple[ImageBind, dict[str, Tensor]]:
    shutil.copy(GOLDEN / "imagebind_small.pth", tmp_path)
    (tmp_path / "imagebind_small.json").write_text('{"vision_heads": 4, "audio_heads": 4}')
    return read_checkpoint(tmp_path / "imagebind_small.pth"), load_file(
        GOLDEN / "imagebind_small_io.safetensors"
    )


@needs_golden
def test_vision_equals_the_reference(golden: tuple[ImageBind, dict[str, Tensor]]) -> None:
    model, numbers = golden
    embeddings = model.vision(normalise_pixels(numbers["vision.image"]))
    torch.testing.assert_close(embeddings, numbers["vision.embedding"], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        F.normalize(embeddings, dim=1), numbers["vision.output"], atol=1e-4, rtol=0
    )


@needs_golden
@pytest.mark.parametrize("start", ["audio.melspec", "audio.waveform"])
def test_audio_equals_the_reference(
    golden: tuple[ImageBind, dict[str, Tensor]], start: str
) -> None:
    model, numbers = golden
    spectrograms = numbers[start] if start == "audio.melspec" else mel_spectrogram(numbers[start])
    embeddings = model.audio(spectrograms)
    torch.testing.assert_close(embeddings, numbers["audio.embedding"], atol=1e-4, rtol=0)
    normalised = 20 * F.normalize(embeddings, dim=1)
    torch.testing.assert_close(
        normalised, numbers["audio.output"], atol=2e-3 if start != "audio.melspec" else 1e-4, rtol=0
    )


@pytest.mark.parametrize("extra_key", [False, True])
def test_attention_equals_torch(extra_key: bool) -> None:
    torch.manual_seed(0)
    ours = Attention(24, heads=3, extra_key=extra_key).double()
    theirs = nn.MultiheadAttention(24, 3, add_bias_kv=extra_key, batch_first=True).double()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight.normal_()
        ours.in_proj.weight.copy_(theirs.in_proj_weight)
        ours.in_proj.bias.copy_(theirs.in_proj_bias)
        ours.out_proj.load_state_dict(theirs.out_proj.state_dict())
        if extra_key:
            ours.bias_k.copy_(theirs.bias_k)
            ours.bias_v.copy_(theirs.bias_v)
    tokens = torch.randn(2, 7, 24, dtype=torch.float64)
    torch.testing.assert_close(
        ours(tokens), theirs(tokens, tokens, tokens, need_weights=False)[0], atol=1e-9, rtol=0
    )


def test_a_kernel_summed_over_two_equal_frames_gives_the_same_patches() -> None:
    torch.manual_seed(0)
    kernel = torch.randn(5, 3, 2, 14, 14, dtype=torch.float64)
    picture = torch.randn(1, 3, 28, 28, dtype=torch.float64)
    twice = F.conv3d(
        picture.unsqueeze(2).repeat(1, 1, 2, 1, 1), kernel, stride=(2, 14, 14)
    ).squeeze(2)
    torch.testing.assert_close(
        F.conv2d(picture, kernel.sum(dim=2), stride=14), twice, atol=1e-10, rtol=0
    )


def test_sizes() -> None:
    assert AUDIO_PATCHES == 12 * 19
    assert sum(weight.numel() for weight in ImageBind(TINY).parameters()) < 1_900_000
    with torch.device("meta"):
        huge = ImageBind(HUGE)
    folded = 1280 * 3 * 14 * 14  # the half of the vision kernel that folding saves
    assert round((sum(w.numel() for w in huge.vision.parameters()) + folded) / 1e6, 1) == 632.8
    assert round(sum(w.numel() for w in huge.audio.parameters()) / 1e6, 1) == 86.2


def test_both_towers_give_one_row_an_input() -> None:
    model = ImageBind(SMALL)
    assert model.vision(torch.zeros(3, 3, 28, 28)).shape == (3, 8)
    assert model.audio(torch.zeros(2, 1, 128, 204)).shape == (2, 8)


@pytest.mark.parametrize("modality", ["vision", "audio"])
@pytest.mark.parametrize("bf16", [False, True])
def test_neither_bfloat16_nor_a_large_batch_turns_an_embedding(modality: str, bf16: bool) -> None:
    """Against float32, one input at a time; as deep as the tiny encoder twice over."""
    model = ImageBind(
        ImageBindConfig(TowerConfig(64, 8, 4), TowerConfig(48, 8, 4), output=32, picture_px=56)
    ).eval()
    draw_weights(model, 0)
    torch.manual_seed(0)
    inputs = torch.randn(33, 3, 56, 56) if modality == "vision" else torch.randn(33, 1, 128, 204)
    tower = getattr(model, modality)
    with torch.inference_mode():
        alone = torch.cat([tower(one) for one in inputs.split(1)])
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            together = tower(inputs).float()
    assert F.cosine_similarity(together, alone).min() > (0.999 if bf16 else 0.999999)
    # The embeddings of a batch differ far more than rounding does, so that the angle says
    # something.
    assert F.cosine_similarity(alone[1:], alone[:-1]).max() < 0.99


def test_the_draw_is_the_same_everywhere_and_touches_no_global_state() -> None:
    state = torch.get_rng_state()
    with torch.device("meta"):
        model = ImageBind(TINY)
    model = model.to_empty(device="cpu")
    draw_weights(model, TINY_SEED)
    assert torch.equal(torch.get_rng_state(), state)
    assert (
        weights_digest(model) == "819e828e0e43e0adc73b19e741b921c4cbc1ee9f0ad7445d232e78f1e72ca3e0"
    )
    draw_weights(model, TINY_SEED + 1)
    assert (
        weights_digest(model) != "819e828e0e43e0adc73b19e741b921c4cbc1ee9f0ad7445d232e78f1e72ca3e0"
    )


def test_the_draw_keeps_the_size_of_the_signal_and_tells_inputs_apart() -> None:
    model = ImageBind(SMALL)
    draw_weights(model, 0)
    torch.manual_seed(0)
    embeddings = model.vision(torch.randn(32, 3, 28, 28))
    assert 0.3 < float(embeddings.detach().std()) < 3
    assert float(embeddings.detach().std(dim=0).mean()) > 0.05


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="width=10 must be divisible by heads=3"):
        TowerConfig(10, 1, 3)
    with pytest.raises(ValueError, match="picture_px=100 must be divisible by the patch, 14 px"):
        ImageBindConfig(TowerConfig(8, 1, 1), TowerConfig(8, 1, 1), output=4, picture_px=100)
