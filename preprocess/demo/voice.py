"""A synthetic voice: glottal pulses and noise, shaped by formants, with affect in the prosody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from semanticmac.preprocess.demo.phones import Phone, pronounce

SAMPLE_RATE_HZ = 16_000
HOP = 80  # samples between two points of a track: 5 ms
TRACK_HZ = SAMPLE_RATE_HZ / HOP
PULSE_SAMPLES = 512  # length of the response to one glottal pulse: 32 ms
BANDWIDTHS_HZ = np.array([80.0, 110.0, 160.0, 220.0])

Track = NDArray[np.float64]  # (n,), one value every 5 ms
Samples = NDArray[np.float64]  # (N,), 16 kHz


@dataclass(frozen=True)
class Voice:
    """The speaker, the room and the microphone; independent of affect."""

    pitch_hz: float
    tract: float  # formants are multiplied by it: < 1 a long vocal tract, > 1 a short one
    range_st: float  # melody's standard deviation, semitones
    tempo: float  # 1 = average
    tilt_db: float  # added fall of the spectrum per octave above 500 Hz; < 0 is darker
    breath: float
    roughness: float  # standard deviation of a period, as a share of it
    level_db: float  # of the recording
    noise_db: float  # level of the room's noise below the speech
    noise_colour: float  # 0 white … 1 falling with frequency
    reverb_s: float  # time in which an echo falls by 60 dB
    reverb: float  # share of the echo in the sound


@dataclass(frozen=True)
class Manner:
    """The prosody of an affect, as differences to the usual values of the voice."""

    level_st: float  # mean pitch, semitones
    range_st: float
    slope_st: float  # pitch from the first sound to the last
    tempo: float
    gain_db: float
    tilt_db: float
    breath: float
    roughness: float
    smile: float  # formants: spread lips shorten the vocal tract


@dataclass(frozen=True)
class Speech:
    """Spoken text: its audio and the movement of the lips."""

    waveform: NDArray[np.int16]  # (N,) 16 kHz mono
    opening: Track  # (n,) lips 0 … 1 apart, one value every 5 ms, from the first sample


def random_voice(rng: Generator, deep: bool | None = None) -> Voice:
    """A random speaker, room and microphone; `deep` selects a low or high voice, None any."""
    low, high = {True: (90.0, 140.0), False: (150.0, 245.0), None: (90.0, 245.0)}[deep]
    pitch_hz = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return Voice(
        pitch_hz=pitch_hz,
        tract=float(0.9 + 0.22 * (np.log(pitch_hz / 90) / np.log(245 / 90)) + rng.normal(0, 0.04)),
        range_st=float(rng.uniform(1.6, 2.6)),
        tempo=float(rng.uniform(0.88, 1.12)),
        tilt_db=float(rng.uniform(-2, 2)),
        breath=float(rng.uniform(0.01, 0.05)),
        roughness=float(rng.uniform(0.003, 0.012)),
        level_db=float(rng.uniform(-3, 3)),
        noise_db=float(rng.uniform(24, 42)),
        noise_colour=float(rng.uniform(0, 1)),
        reverb_s=float(rng.uniform(0.12, 0.45)),
        reverb=float(rng.uniform(0.0, 0.25)),
    )


def manner(affect: float, rng: Generator) -> Manner:
    """The prosody of an affect of −3 … 3, with some random variation.

    Positive speech is higher, livelier, rising, faster, louder and brighter. Negative speech is
    lower, flat, falling, slower, softer, darker, breathy and rough.
    """

    def cue() -> float:
        return float(np.clip(affect / 3 + rng.normal(0, 0.1), -1.2, 1.2))

    return Manner(
        level_st=3.5 * cue(),
        range_st=1.5 * cue(),
        slope_st=3.5 * cue(),
        tempo=1 + 0.22 * cue(),
        gain_db=6.0 * cue(),
        tilt_db=4.0 * cue(),
        breath=0.10 * max(0.0, -cue()),
        roughness=0.035 * max(0.0, -cue()),
        smile=0.05 * cue(),
    )


def speak(text: str, voice: Voice, affect: float, rng: Generator) -> Speech:
    """`text` spoken by `voice` with `affect` (−3 … 3); text and tempo decide the length.

    The same arguments and rng state give the same samples. Raises ValueError for a text without
    sounds.
    """
    phones = pronounce(text)
    if not phones:
        raise ValueError(f"nothing in {text!r} can be spoken; expected words in the letters a … z")
    how = manner(affect, rng)
    spans = _column(phones, "seconds") * rng.uniform(0.9, 1.1, len(phones))
    spans *= 0.82 / (voice.tempo * how.tempo)
    edges = np.concatenate([[0.0], np.cumsum(spans)]) + 0.12  # a breath before the first sound
    count = int((edges[-1] + 0.25) * TRACK_HZ)
    times = np.arange(count) / TRACK_HZ
    # The index of the sound at each time: −1 before the first, len(phones) after the last.
    index = np.searchsorted(edges, times, side="right") - 1
    silent = (index < 0) | (index >= len(phones))
    index = np.clip(index, 0, len(phones) - 1)

    def track(name: str, smooth: int) -> Track:
        return _smooth(np.where(silent, 0.0, _column(phones, name)[index]), smooth)

    targets = _column(phones, "formants")[index]  # (n, 3)
    tracks = [_smooth(targets[:, i], 9) for i in range(3)] + [np.full(count, 3500.0)]
    formants = np.stack(tracks) * voice.tract * (1 + how.smile)  # (4, n)
    voicing = track("voiced", 5)
    hiss = track("noise", 3)
    hiss_hz = _column(phones, "noise_hz")[index]
    pitch = _pitch(phones, edges, times, voice, how, rng)
    breath = voicing * (voice.breath + how.breath)
    sound = _pulses(pitch, voicing, formants, voice, how, rng) + _noise(
        breath, hiss, hiss_hz, formants, how, rng
    )
    waveform = _record(sound, voice, how, rng)
    opening = np.clip(track("opening", 13), 0, 1)
    return Speech(np.clip(waveform * 32767, -32768, 32767).astype(np.int16), opening)


def _column(phones: list[Phone], name: str) -> Track:
    """One property of each phone as an array."""
    return np.array([getattr(phone, name) for phone in phones])


def _smooth(track: Track, width: int) -> Track:
    """The moving average of a track over `width` points."""
    padded = np.pad(track, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def _pitch(
    phones: list[Phone], edges: Track, times: Track, voice: Voice, how: Manner, rng: Generator
) -> Track:
    """Hz over time: a random melody with one point for each vowel, on a slope."""
    at: list[float] = []
    for i, phone in enumerate(phones):
        if phone.syllabic:
            at.append(float(edges[i] + edges[i + 1]) / 2)
    at = at or [float(edges[0])]
    spread = max(0.3, voice.range_st + how.range_st)
    # Vowels alternate around the middle like stressed and unstressed syllables, so every window of
    # two seconds covers the range.
    swing = np.where(np.arange(len(at)) % 2 == 0, 0.9, -0.9) + rng.normal(0, 0.5, len(at))
    melody = _smooth(np.interp(times, at, spread * swing), 15)
    progress = np.clip((times - edges[0]) / (edges[-1] - edges[0]), 0, 1)
    semitones = melody + how.level_st + how.slope_st * (progress - 0.5)
    return np.asarray(voice.pitch_hz * 2 ** (semitones / 12))


def _pulses(
    pitch: Track, voicing: Track, formants: Track, voice: Voice, how: Manner, rng: Generator
) -> Samples:
    """The sum (N,) of the responses of the vocal tract to each glottal pulse."""
    cycles = np.cumsum(pitch) / TRACK_HZ
    number = np.arange(1, int(cycles[-1]))
    wobble = rng.normal(0, 1, len(number)) * (voice.roughness + how.roughness)
    when = np.interp(number + wobble, cycles, np.arange(len(pitch)))  # in track points, (P,)
    strength = np.interp(when, np.arange(len(pitch)), voicing) * (1 + 2 * wobble)
    keep = strength > 0.02
    when, strength = when[keep], strength[keep]
    frequency = np.fft.rfftfreq(PULSE_SAMPLES, 1 / SAMPLE_RATE_HZ).astype(np.float32)  # (K,)
    nearest = np.minimum(np.round(when).astype(np.int64), len(pitch) - 1)
    spectrum = _resonance(formants[:, nearest], frequency) * _tilt(frequency, voice, how)  # (P, K)
    start = when * HOP
    whole = np.floor(start).astype(np.int64)
    # The fraction of a sample, and 16 samples before the peak.
    late = 2 * np.pi / SAMPLE_RATE_HZ * (start - whole + 16)
    spectrum *= np.exp(-1j * late.astype(np.float32)[:, None] * frequency)
    echoes = np.fft.irfft(spectrum, axis=1) * (strength / np.sqrt(pitch[nearest]))[:, None]
    positions = whole[:, None] + np.arange(PULSE_SAMPLES)
    sound = np.bincount(positions.ravel(), weights=echoes.ravel(), minlength=len(pitch) * HOP)
    return sound[: len(pitch) * HOP].astype(np.float64)


def _resonance(formants: Track, frequency: NDArray[np.float32]) -> NDArray[np.complex64]:
    """formants (4, P), frequency (K,) Hz → (P, K), four resonators in a row, each 1 at 0 Hz."""
    result = np.ones((formants.shape[1], len(frequency)), dtype=np.complex64)
    for centre, width in zip(
        formants.astype(np.float32), BANDWIDTHS_HZ.astype(np.float32), strict=True
    ):
        square = (centre**2)[:, None]
        denominator = (square - frequency**2).astype(np.complex64)
        denominator.imag = frequency * width
        result *= square / denominator
    return result


def _tilt(frequency: NDArray[np.float32], voice: Voice, how: Manner) -> NDArray[np.float32]:
    """The spectrum (K,) of a glottal pulse: −6 dB per octave, changed by voice and affect."""
    octaves = np.log2(np.maximum(frequency, 60) / 500)
    db = np.where(octaves > 0, octaves * (-6 + voice.tilt_db + how.tilt_db), octaves * -2)
    return np.asarray(10 ** (db / 20) * (frequency > 50), dtype=np.float32)


def _noise(
    breath: Track, hiss: Track, hiss_hz: Track, formants: Track, how: Manner, rng: Generator
) -> Samples:
    """Breath, shaped by the formants, and the hiss of consonants (N,), in windows of 10 ms."""
    size = 2 * HOP
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ).astype(np.float32)
    bell = np.exp(-0.5 * ((frequency - hiss_hz[:, None]) / (0.15 * hiss_hz[:, None] + 300)) ** 2)
    aspirated = np.abs(_resonance(formants, frequency)) * (frequency / 4000 + 0.15)
    shape = breath[:, None] * aspirated + 0.3 * 10 ** (how.tilt_db / 40) * hiss[:, None] * bell
    white = rng.standard_normal((2, *shape.shape), dtype=np.float32)
    pieces = np.fft.irfft(shape * (white[0] + 1j * white[1]), axis=1) * np.hanning(
        size
    )  # (n, 2·HOP)
    sound = np.zeros((len(breath) + 1) * HOP)
    sound[:-HOP] += pieces[:, :HOP].ravel()
    sound[HOP:] += pieces[:, HOP:].ravel()
    return sound[:-HOP]


def _record(sound: Samples, voice: Voice, how: Manner, rng: Generator) -> Samples:
    """The recording of sound (N,) with echo, background noise and its level; full scale is 1."""
    speech_rms = 0.06
    sound = (
        sound
        * (speech_rms / max(1e-9, float(np.sqrt(np.mean(sound**2)))))
        * 10 ** (how.gain_db / 20)
    )
    decay = np.arange(int(voice.reverb_s * SAMPLE_RATE_HZ)) / (voice.reverb_s * SAMPLE_RATE_HZ)
    echo = rng.standard_normal(len(decay)) * 10 ** (-3 * decay)
    echo *= voice.reverb / np.sqrt(np.sum(echo**2))
    echo[0] += 1
    size = 1 << (len(sound) + len(echo) - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(echo, size), size)[: len(sound)]
    hum = rng.standard_normal(len(sound))
    smooth = np.convolve(hum, np.full(8, 8**-0.5), mode="same")
    hum = (1 - voice.noise_colour) * hum + voice.noise_colour * smooth
    recorded = (wet + hum * speech_rms * 10 ** (-voice.noise_db / 20)) * 10 ** (voice.level_db / 20)
    # The soft limit of a microphone keeps loud samples within full scale.
    return np.asarray(np.tanh(recorded))
