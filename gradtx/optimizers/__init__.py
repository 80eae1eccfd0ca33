"""The sentences: named optimizers, one file a family, written in the pieces."""
