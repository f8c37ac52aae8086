"""The ``expart`` command and the local stack: the only room that knows all three programs."""
