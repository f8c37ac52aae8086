"""ExpArt-mini: a small, self-made benchmark shaped like ExpArt. See README.md."""
