"""Processes that what strangers sent is decoded in, which a hostile file may cost."""
