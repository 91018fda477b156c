"""Events are counted for each address over the last minute."""

from semanticmac.serve.limits import RateLimit


def test_each_address_has_its_own_limit(monkeypatch):
    now = 100.0
    monkeypatch.setattr("semanticmac.serve.limits.time.monotonic", lambda: now)
    limit = RateLimit(2)
    limit.add("a")
    now = 110.0
    limit.add("a")
    assert limit.wait_s("a") == 50.0 and limit.wait_s("b") == 0.0
    now = 161.0
    assert limit.wait_s("a") == 0.0


def test_old_addresses_are_dropped(monkeypatch):
    now = 0.0
    monkeypatch.setattr("semanticmac.serve.limits.time.monotonic", lambda: now)
    monkeypatch.setattr(RateLimit, "MAX_ADDRESSES", 10)
    limit = RateLimit(1)
    for number in range(10):
        limit.add(str(number))
    now = 100.0
    limit.add("new")
    assert list(limit._events) == ["new"]
