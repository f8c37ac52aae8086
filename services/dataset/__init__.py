"""Prepares ExpArt for sweeps: gets files and pictures, checks them, and exports for training."""
