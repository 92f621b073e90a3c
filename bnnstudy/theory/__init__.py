"""Optimizers as linear filters on gradients: numpy and scipy only."""
