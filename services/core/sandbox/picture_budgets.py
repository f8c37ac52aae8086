"""What decoding an honest picture takes, with room to spare."""

# Measured on one 2.5 GHz core: 0.03 µs a pixel for the slowest format (WebP), 0.05 s at most for
# the header of a picture that anybody would send. What a hostile file takes is without bound:
# 200 kB of JPEG scans took 5.5 s, and 20 MB would take hours.
_HEADER_S = 1.0
_S_PER_PIXEL = 0.2e-6

# Measured: 16 bytes a pixel for WebP, 12 for a progressive CMYK JPEG, 8 for most; and up to
# 64 MiB of texts in a PNG, which is Pillow's own bound.
_MEMORY_PER_PIXEL = 24
_MEMORY_PER_ENCODED_BYTE = 4
_SPARE_MEMORY = 128 * 2**20


def memory_budget(max_bytes: int, max_pixels: int) -> int:
    """Bytes that decoding pictures of this size may take."""
    return _SPARE_MEMORY + max_pixels * _MEMORY_PER_PIXEL + max_bytes * _MEMORY_PER_ENCODED_BYTE


def computation_budget(pixels: int = 0) -> float:
    """Seconds of computation that decoding so many pixels, or a header alone, may take."""
    return _HEADER_S + _S_PER_PIXEL * pixels
