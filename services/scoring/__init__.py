"""The scoring service: the ExpArt metrics behind gRPC, computed by a pool of processes."""
