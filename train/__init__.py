"""What exists only while a model learns."""

if __name__ != "semanticmac.train":
    raise ImportError("train/ is a part of one package: import it as semanticmac.train")
