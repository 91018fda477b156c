"""A manifest is read only if every byte of it is as it was written."""

import numpy as np
import pytest
from support.damage import flip

from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.manifest import Manifest


def test_a_flipped_byte_is_found_anywhere_in_a_manifest(planted):
    path = planted().manifest("planted")
    data, dice = path.read_bytes(), np.random.default_rng(0)
    seal = data.rindex(b"sha256:")
    for at in [
        0,
        seal,
        seal + 7,
        seal + 70,
        seal + 71,
        len(data) - 1,
        *dice.integers(0, len(data), 200),
    ]:
        flip(path, at)
        with pytest.raises(
            CacheIncomplete, match=r"not as it was written.*cache CORPUS .* --name planted` again"
        ):
            Manifest.read(path)
        path.write_bytes(data)
    Manifest.read(path)
