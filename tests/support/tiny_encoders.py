"""Tiny random encoders of transformers, saved to folders as on the hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as t

from semanticmac.cache.records import RawClip

SIZE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}
PICTURE = {"image_size": 32, "patch_size": 8}
CONVOLUTIONS = {
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
STILL = {
    "do_resize": True,
    "size": {"shortest_edge": 32},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "image_mean": [0.48, 0.46, 0.41],
    "image_std": [0.27, 0.26, 0.28],
}
SQUARE = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
VISION_KINDS = ("clip", "clip-plain", "siglip", "siglip2", "dinov2", "dinov3")
WAVEFORM_KINDS = ("hubert", "hubert-large", "wavlm", "wavlm-large", "wav2vec2")
KIND_OF = {
    "clip": "clip",
    "clip-plain": "clip",
    "siglip": "siglip",
    "siglip2": "siglip",
    "dinov2": "dino",
    "dinov3": "dino",
    "hubert": "hubert",
    "hubert-large": "hubert",
    "wavlm": "wavlm",
    "wavlm-large": "wavlm",
    "wav2vec2": "wav2vec2",
}


def save_encoder(name: str, folder: Path, safe: bool = True) -> Any:
    """Saves a tiny model with its preprocessor_config.json; returns the model."""
    torch.manual_seed(0)
    model, preprocessor = _model(name)
    # Weights of the usual initial size are so small that errors in a layer hardly show.
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.2)
    model.eval()
    if safe:
        model.save_pretrained(folder)
    else:
        folder.mkdir(parents=True)
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    return model


def _model(name: str) -> tuple[Any, dict[str, Any]]:
    if name == "clip":
        config = t.CLIPVisionConfig(**SIZE, **PICTURE, projection_dim=12)
        return t.CLIPVisionModelWithProjection(config), STILL
    if name == "clip-plain":
        return t.CLIPVisionModel(t.CLIPVisionConfig(**SIZE, **PICTURE)), STILL
    if name == "siglip":
        return t.SiglipVisionModel(t.SiglipVisionConfig(**SIZE, **PICTURE)), STILL | SQUARE
    if name == "siglip2":
        config = t.Siglip2VisionConfig(**SIZE, patch_size=8, num_patches=16)
        fields = {"patch_size": 8, "max_num_patches": 20, "resample": 2}
        return t.Siglip2VisionModel(config), fields
    if name == "dinov2":
        return t.Dinov2Model(t.Dinov2Config(**SIZE, **PICTURE)), STILL
    if name == "dinov3":
        return t.DINOv3ViTModel(t.DINOv3ViTConfig(**SIZE, **PICTURE)), STILL | SQUARE
    large = {}
    if name.endswith("-large"):
        large = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
    family = name.removesuffix("-large")
    classes = {
        "hubert": (t.HubertModel, t.HubertConfig),
        "wavlm": (t.WavLMModel, t.WavLMConfig),
        "wav2vec2": (t.Wav2Vec2Model, t.Wav2Vec2Config),
    }
    model_class, config_class = classes[family]
    fields = {"do_normalize": bool(large), "sampling_rate": 16000}
    return model_class(config_class(**SIZE, **CONVOLUTIONS, **large)), fields


def save_whisper(folder: Path) -> Any:
    """A tiny Whisper, encoder and decoder; returns its encoder."""
    torch.manual_seed(0)
    config = t.WhisperConfig(
        d_model=16,
        encoder_layers=3,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=20,
        num_mel_bins=80,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    model = t.WhisperModel(config).eval()
    model.save_pretrained(folder)
    t.WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return model.encoder


def clip_with(
    frames: int | None = None, seconds: float = 3.0, audio: bool = False, seed: int = 0
) -> RawClip:
    """A clip of noise: frames of 40 × 60 pixels, samples at 16 kHz."""
    draw = np.random.default_rng(seed)
    pictures = waveform = None
    if frames is not None:
        pictures = draw.integers(0, 256, (frames, 40, 60, 3), dtype=np.uint8)
    if audio:
        waveform = draw.normal(0, 3000, round(seconds * 16_000)).astype(np.int16)
    return RawClip(pictures, waveform, seconds)
