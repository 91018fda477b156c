"""Interface between training and everything after it: the run folder."""

if __name__ != "semanticmac.run":
    raise ImportError(
        "this is the package semanticmac.run: import it by that name, after `make setup`"
    )
