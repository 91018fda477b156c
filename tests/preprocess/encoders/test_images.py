"""Frames are prepared like the image processors of transformers that use Pillow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.images import prepare_images, read_image_settings
from semanticmac.preprocess.encoders.transformers_vision import naflex_prepare, naflex_settings

SIZES = [(224, 398), (398, 224), (224, 224), (30, 50), (1, 1), (97, 203)]
PROCESSORS = {
    "clip": (CLIPImageProcessorPil, {}),
    "clip, old file": (CLIPImageProcessorPil, {"size": 48, "crop_size": 40, "resample": 2}),
    "clip, crop larger": (CLIPImageProcessorPil, {"size": 32, "crop_size": 45}),
    "siglip": (SiglipImageProcessorPil, {}),
    "siglip, lanczos": (
        SiglipImageProcessorPil,
        {"size": {"height": 60, "width": 44}, "resample": 1},
    ),
    "dinov2": (
        BitImageProcessorPil,
        {"size": {"shortest_edge": 256}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2] * 3},
    ),
}


def frames_of(size: tuple[int, int]) -> np.ndarray:
    draw = np.random.default_rng(size[0])
    return draw.integers(0, 256, (2, *size, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", PROCESSORS)
def test_frames_equal_those_of_the_processor(name, size):
    processor_class, fields = PROCESSORS[name]
    processor = processor_class(**fields)
    frames = frames_of(size)
    expected = processor(list(frames), return_tensors="pt", input_data_format="channels_last")
    kind = name.split(",")[0]
    for saved in (fields, processor.to_dict()):
        if kind == "dinov2" and saved is fields:
            saved = {"resample": 3, "crop_size": 224} | saved
        prepared = prepare_images(frames, read_image_settings(saved, kind))
        assert prepared.dtype == torch.float32
        torch.testing.assert_close(prepared, expected["pixel_values"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_patches_equal_those_of_the_processor_of_siglip2(size):
    frames = frames_of(size)
    processor = Siglip2ImageProcessorPil(patch_size=8, max_num_patches=40)
    expected = processor(list(frames), return_tensors="pt", input_data_format="channels_last")
    settings = naflex_settings(processor.to_dict(), patch=8)
    prepared = naflex_prepare(settings)(frames)
    assert set(prepared) == set(expected)
    for name, tensor in prepared.items():
        torch.testing.assert_close(tensor, expected[name].to(tensor.dtype), rtol=0, atol=1e-6)


def test_dinov3_scales_before_it_resizes():
    frames = frames_of((97, 203))
    settings = read_image_settings(
        {"size": {"height": 64, "width": 64}, "resample": 2}, "dinov3_vit"
    )
    floats = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    resized = F.interpolate(floats, (64, 64), mode="bilinear", antialias=True)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = (resized - mean) / std
    torch.testing.assert_close(prepare_images(frames, settings), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "fields", [{"size": {"longest_edge": 5}}, {"resample": 9}, {"image_std": [1, 0, 1]}], ids=str
)
def test_settings_that_cannot_be_followed_are_refused(fields):
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json has"):
        read_image_settings(fields, "clip")


def test_other_arrays_are_refused():
    settings = read_image_settings({}, "clip")
    with pytest.raises(ValueError, match=r"expected uint8 \(F, H, W, 3\)"):
        prepare_images(np.zeros((1, 4, 4, 3), np.float32), settings)
