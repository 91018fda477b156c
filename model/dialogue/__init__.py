"""Models that read whole dialogues: every utterance of a row sees those of its dialogue."""
