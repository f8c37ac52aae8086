"""Compares two sweeps of the same questions: what got better, what worse, what changed at all."""
