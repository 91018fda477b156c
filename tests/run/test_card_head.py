"""The head of a model card has a licence that the hub accepts."""

import pytest

from semanticmac.run.card_head import licence_fields


@pytest.mark.parametrize("name", ["mit", "MIT", "cc-by-nc-4.0", "other"])
def test_a_name_of_the_hub_is_written_as_the_hub_writes_it(name):
    assert licence_fields(name) == {"license": name.lower()}


def test_another_name_is_written_beside_other():
    assert licence_fields("Our Terms 1.0") == {"license": "other", "license_name": "Our-Terms-1.0"}
