"""What a sweep is to do: the spec file, its sections, and what they choose."""
