"""The interface between the two stages: what stage 1 writes and stage 2 reads."""

if __name__ != "semanticmac.cache":
    raise ImportError(
        "this is the package semanticmac.cache: import it by that name, after `make setup`"
    )
