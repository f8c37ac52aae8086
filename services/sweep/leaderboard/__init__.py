"""The table of models that a sweep ends with."""
