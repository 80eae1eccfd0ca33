"""Flax: models as pure functions."""
