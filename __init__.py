"""SemanticMAC: affect from human-spoken videos, in two stages with a feature cache between them."""

__version__ = "0.1.0"
