"""Hyperparameters over time."""
