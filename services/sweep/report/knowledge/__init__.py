"""What the stored answers tell beyond means: entities, lengths, correlations, pace."""
