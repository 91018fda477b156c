"""What exists only while a model learns."""

if __name__ != "semanticmac.train":
    raise ImportError(
        "this is the package semanticmac.train: import it by that name, after `make setup`"
    )
