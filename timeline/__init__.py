"""Long recordings in, their time lines out: segments, predicts, goes on after a stop, writes."""

if __name__ != "semanticmac.timeline":
    raise ImportError("timeline/ is a part of one package: import it as semanticmac.timeline")
