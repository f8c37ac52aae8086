"""The redrawings of ExpArt-mini's artworks, one module per maker or circle of makers."""
