"""The person in a clip: all properties of a drawn face that do not depend on affect."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.random import Generator

from semanticmac.preprocess.demo.paint import Colour, mix, shade

SKINS: tuple[Colour, ...] = (
    (255, 224, 200), (247, 206, 172), (236, 188, 148), (222, 168, 124), (198, 140, 98),
    (168, 112, 74), (138, 90, 60), (108, 70, 48), (84, 55, 40),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (28, 24, 26), (52, 36, 30), (86, 56, 38), (124, 78, 44), (168, 92, 46),
    (206, 158, 84), (232, 206, 142), (150, 150, 154), (214, 212, 208), (96, 60, 120), (40, 92, 110),
)  # fmt: skip
CLOTHES: tuple[Colour, ...] = (
    (46, 74, 112), (176, 62, 60), (66, 120, 92), (228, 178, 74), (92, 78, 128), (60, 62, 70),
    (222, 222, 214), (206, 122, 92), (110, 160, 186), (160, 82, 116), (120, 134, 84),
)  # fmt: skip
WALLS: tuple[Colour, ...] = (
    (206, 222, 226), (236, 216, 192), (188, 206, 182), (214, 200, 222), (242, 232, 214),
    (120, 146, 166), (166, 122, 106), (88, 100, 112), (232, 190, 176), (148, 172, 150),
    (224, 208, 150),
)  # fmt: skip
LIPS: tuple[Colour, ...] = ((186, 58, 74), (206, 96, 104), (158, 52, 84), (214, 112, 92))

HAIR_STYLES = ("short", "parted", "bangs", "bob", "long", "curly", "bun", "bald", "beanie", "scarf")
BEARDED_STYLES = ("short", "short", "parted", "parted", "curly", "bald", "beanie")
SCENES = ("plain", "window", "lights", "shelf", "plant", "stripes")


@dataclass(frozen=True)
class Face:
    """One person in front of one camera. Lengths in half head widths, angles in radians."""

    skin: Colour
    hair: Colour
    hair_style: str
    clothes: Colour
    collar: str  # crew, shirt or hood
    lip: Colour
    iris: Colour
    jaw: float  # exponent of the lower face: 1.9 pointed … 2.9 square
    length: float  # middle of the head to the chin
    eye_gap: float  # middle of the face to the middle of an eye
    eye_size: float
    nose: float
    mouth: float  # half width at rest
    lips: float  # fullness
    brow: float  # thickness
    beard: str  # none, stubble, moustache or full
    glasses: str  # none, round or square
    freckles: bool
    earrings: bool
    # The face at neutral affect: some people seem to smile or to frown.
    resting_mouth: float
    resting_brow: float
    resting_lids: float
    gain: float  # how strongly this face shows affect
    # Negative affect looks sad at 0 (inner brows up) and angry at 1 (inner brows down).
    temper: float
    # The camera and the background.
    scene: str
    wall: Colour
    scene_seed: int  # of the background and the sensor's grain
    scale: float  # half head width, as a share of the frame's side
    # From the middle of the frame to the middle of the head, as shares of its side.
    offset: tuple[float, float]
    roll: float
    yaw: float
    light: tuple[float, float]  # brightness slope to the right and down, as shares over the frame
    exposure: float
    warmth: float  # > 0 reddish, < 0 bluish
    grain: float  # standard deviation of the sensor's noise, in grey levels


def _pick(rng: Generator, options: tuple[Colour, ...]) -> Colour:
    """One of the colours, slightly changed."""
    return shade(options[int(rng.integers(len(options)))], float(rng.uniform(0.9, 1.04)))


def random_face(rng: Generator) -> Face:
    """A person, a room and a camera, drawn independently of any feeling."""
    skin = _pick(rng, SKINS)
    bearded = bool(rng.random() < 0.3)
    style = str(rng.choice(BEARDED_STYLES if bearded else HAIR_STYLES))
    painted = not bearded and rng.random() < 0.35  # wears lipstick
    return Face(
        skin=skin,
        hair=_pick(rng, HAIRS),
        hair_style=style,
        clothes=_pick(rng, CLOTHES),
        collar=str(rng.choice(("crew", "shirt", "hood"))),
        lip=_pick(rng, LIPS)
        if painted
        else mix(skin, (150, 48, 54), float(rng.uniform(0.35, 0.6))),
        iris=((70, 44, 28), (92, 66, 36), (60, 96, 128), (70, 110, 80), (44, 34, 30))[
            int(rng.integers(5))
        ],
        jaw=float(rng.uniform(1.9, 2.9)),
        length=float(rng.uniform(1.18, 1.42)),
        eye_gap=float(rng.uniform(0.38, 0.46)),
        eye_size=float(rng.uniform(0.88, 1.16)),
        nose=float(rng.uniform(0.8, 1.25)),
        mouth=float(rng.uniform(0.30, 0.39)),
        lips=float(rng.uniform(0.7, 1.35)),
        brow=float(rng.uniform(0.075, 0.135)),
        beard=str(rng.choice(("stubble", "moustache", "full"))) if bearded else "none",
        glasses=str(rng.choice(("none", "none", "none", "round", "square"))),
        freckles=bool(rng.random() < 0.15),
        earrings=bool(not bearded and rng.random() < 0.3),
        resting_mouth=float(rng.normal(0, 0.07)),
        resting_brow=float(rng.normal(0, 0.10)),
        resting_lids=float(rng.normal(0, 0.08)),
        gain=float(rng.uniform(0.88, 1.12)),
        temper=float(rng.random()),
        scene=str(rng.choice(SCENES)),
        wall=_pick(rng, WALLS),
        scene_seed=int(rng.integers(2**31)),
        scale=float(rng.uniform(0.235, 0.295)),
        offset=(float(rng.uniform(-0.06, 0.06)), float(rng.uniform(-0.04, 0.03))),
        roll=float(rng.normal(0, 0.05)),
        yaw=float(rng.uniform(-0.28, 0.28)),
        light=(float(rng.uniform(-0.22, 0.22)), float(rng.uniform(-0.12, 0.12))),
        exposure=float(rng.uniform(0.82, 1.1)),
        warmth=float(rng.uniform(-0.06, 0.06)),
        grain=float(rng.uniform(1.0, 5.0)),
    )
