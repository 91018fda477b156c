"""Language models: found, loaded, tokenised, fine-tuned."""
