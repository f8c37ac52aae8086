"""The ``expart`` command and the local stack: the only room that knows all three programs."""

from services.cli.settings import quieten_grpc

# gRPC reads it when it is first imported, which every module below does.
quieten_grpc()
