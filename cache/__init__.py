"""The interface between the two stages: what stage 1 writes and stage 2 reads."""

if __name__ != "semanticmac.cache":
    raise ImportError("cache/ is a part of one package: import it as semanticmac.cache")
