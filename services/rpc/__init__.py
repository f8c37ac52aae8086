"""gRPC plumbing that the services and the driver share: server, channel, interceptors, status."""
