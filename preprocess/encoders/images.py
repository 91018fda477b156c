"""Frames as a vision model reads them, by the settings in its preprocessor_config.json.

Pillow resizes, as the image processors of transformers do without torchvision. DINOv3 is the
exception: its processor resizes floats with torchvision, and torch computes the same here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from semanticmac.preprocess.encoders.imagebind.names import CheckpointError

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)
BILINEAR, BICUBIC = 2, 3  # Pillow's numbers of resampling filters
FILTERS = (0, 1, BILINEAR, BICUBIC, 4, 5)
PATCH_SEARCH_STEP = 1e-5


@dataclass(frozen=True)
class ImageSettings:
    """How one frame is prepared: resize, crop the centre, scale, normalise."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resample: int  # Pillow's number of the filter
    short_side: int | None = None  # None: resize to `size`
    size: tuple[int, int] | None = None  # height and width; None with `short_side`: no resize
    crop: tuple[int, int] | None = None
    scale: float = 1 / 255
    in_float: bool = False  # DINOv3: scale first, then resize

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def input_px(self) -> int:
        """The shorter side of the picture that the model reads."""
        size = self.crop or self.size
        if size is None:
            return self.short_side or 0
        return min(size)


# What a preprocessor_config.json may leave out, by the `model_type` of the model.
_CLIP = ImageSettings(CLIP_MEAN, CLIP_STD, BICUBIC, short_side=224, crop=(224, 224))
_SIGLIP = ImageSettings(HALF, HALF, BICUBIC, size=(224, 224))
_DINO2 = ImageSettings(IMAGENET_MEAN, IMAGENET_STD, BICUBIC, short_side=256, crop=(224, 224))
_DINO3 = ImageSettings(IMAGENET_MEAN, IMAGENET_STD, BILINEAR, size=(224, 224), in_float=True)
DEFAULTS = {
    "clip": _CLIP,
    "clip_vision_model": _CLIP,
    "siglip": _SIGLIP,
    "siglip_vision_model": _SIGLIP,
    "dinov2": _DINO2,
    "dinov2_with_registers": _DINO2,
    "dinov3_vit": _DINO3,
}


def read_image_settings(fields: dict[str, Any], model_type: str) -> ImageSettings:
    """The settings in a preprocessor_config.json. Raises CheckpointError for values it cannot."""
    base = DEFAULTS[model_type]
    short_side, size = base.short_side, base.size
    if not fields.get("do_resize", True):
        short_side = size = None
    elif "size" in fields:
        short_side, size = _read_size(fields["size"])
    crop = None
    if fields.get("do_center_crop", base.crop is not None):
        crop = _read_pair(fields["crop_size"]) if "crop_size" in fields else base.crop
    mean, std = base.mean, base.std
    if not fields.get("do_normalize", True):
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    else:
        mean = tuple(fields.get("image_mean") or mean)
        std = tuple(fields.get("image_std") or std)
    scale = 1.0
    if fields.get("do_rescale", True):
        scale = float(fields.get("rescale_factor", base.scale))
    resample = fields.get("resample", base.resample)
    if resample not in FILTERS or len(mean) != 3 or len(std) != 3 or 0.0 in std:
        raise CheckpointError(
            f"preprocessor_config.json has resample={resample}, image_mean={mean}, "
            f"image_std={std}: expected a filter of Pillow (0 to 5) and three values each"
        )
    return ImageSettings(mean, std, int(resample), short_side, size, crop, scale, base.in_float)


def prepare_images(frames: np.ndarray, settings: ImageSettings) -> Tensor:
    """frames (F, H, W, 3) uint8 → (F, 3, h, w) float32, each frame by itself."""
    check_frames(frames)
    return torch.stack([_prepare_one(frame, settings) for frame in frames])


def check_frames(frames: np.ndarray) -> None:
    """Raises ValueError unless the frames are (F, H, W, 3) uint8."""
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8:
        raise ValueError(
            f"the frames are {frames.dtype} {frames.shape}, expected uint8 (F, H, W, 3)"
        )


def _prepare_one(frame: np.ndarray, settings: ImageSettings) -> Tensor:
    target = _target_size(frame, settings)
    if settings.in_float:
        pixels = torch.from_numpy(frame.astype(np.float32) * np.float32(settings.scale))
        pixels = pixels.permute(2, 0, 1)
        if target is not None and settings.resample == BICUBIC:
            pixels = _resize_floats(pixels, target, "bicubic")
        elif target is not None:
            pixels = _resize_floats(pixels, target, "bilinear")
    else:
        if target is not None:
            frame = resize(frame, target, settings.resample)
        scaled = (frame.astype(np.float64) * settings.scale).astype(np.float32)
        pixels = torch.from_numpy(scaled).permute(2, 0, 1)
    if settings.crop is not None:
        pixels = _crop_centre(pixels, settings.crop)
    return normalise(pixels, settings)


def resize(frame: np.ndarray, size: tuple[int, int], resample: int) -> np.ndarray:
    """frame (H, W, 3) uint8 → (height, width, 3) uint8, by Pillow."""
    if frame.shape[:2] == size:
        return frame
    picture = Image.fromarray(frame).resize((size[1], size[0]), Image.Resampling(resample))
    return np.asarray(picture)


def normalise(pixels: Tensor, settings: ImageSettings) -> Tensor:
    """pixels (3, H, W) → the same with the mean and the deviation of the model's training."""
    mean = torch.tensor(settings.mean).view(3, 1, 1)
    std = torch.tensor(settings.std).view(3, 1, 1)
    normalised: Tensor = (pixels - mean) / std
    return normalised.contiguous()


def patch_grid(height: int, width: int, patch: int, most: int) -> tuple[int, int]:
    """Rows and columns of patches of a SigLIP2 NaFlex model: at most `most`, about undistorted.

    The search and its step are those of transformers, because its result depends on them.
    """

    def side(scale: float, pixels: int) -> int:
        return max(1, math.ceil(pixels * scale / patch))

    low, high = PATCH_SEARCH_STEP / 10, 100.0
    while high - low >= PATCH_SEARCH_STEP:
        middle = (low + high) / 2
        if side(middle, height) * side(middle, width) <= most:
            low = middle
        else:
            high = middle
    return side(low, height), side(low, width)


def _target_size(frame: np.ndarray, settings: ImageSettings) -> tuple[int, int] | None:
    if settings.size is not None:
        return settings.size
    if settings.short_side is None:
        return None
    height, width = frame.shape[:2]
    short, long = min(height, width), max(height, width)
    longer = int(settings.short_side * long / short)
    if height <= width:
        return settings.short_side, longer
    return longer, settings.short_side


def _resize_floats(pixels: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    resized = F.interpolate(pixels[None], size, mode=mode, align_corners=False, antialias=True)
    return resized[0]


def _crop_centre(pixels: Tensor, crop: tuple[int, int]) -> Tensor:
    """(3, H, W) → (3, crop): a picture that is too small gets a black border."""
    missing_rows = max(0, crop[0] - pixels.shape[1])
    missing_columns = max(0, crop[1] - pixels.shape[2])
    if missing_rows or missing_columns:
        above, left = math.ceil(missing_rows / 2), math.ceil(missing_columns / 2)
        border = (left, missing_columns - left, above, missing_rows - above)
        pixels = F.pad(pixels, border)
    top = (pixels.shape[1] - crop[0]) // 2
    left = (pixels.shape[2] - crop[1]) // 2
    return pixels[:, top : top + crop[0], left : left + crop[1]]


def _read_size(value: Any) -> tuple[int | None, tuple[int, int] | None]:
    if isinstance(value, int):
        return value, None
    if isinstance(value, dict) and "shortest_edge" in value and "longest_edge" not in value:
        return int(value["shortest_edge"]), None
    return None, _read_pair(value)


def _read_pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if isinstance(value, dict) and {"height", "width"} <= set(value):
        return int(value["height"]), int(value["width"])
    raise CheckpointError(
        f"preprocessor_config.json has the size {value}: expected a number, "
        "{height, width} or {shortest_edge}"
    )
