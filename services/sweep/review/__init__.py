"""Looks at stored results again: verifies them, asks a sample anew, scores by other metrics."""
