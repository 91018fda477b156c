"""Interface between training and everything after it: the run folder."""

if __name__ != "semanticmac.run":
    raise ImportError("run/ is a part of one package: import it as semanticmac.run")
