"""Hosts several LVLMs on Ray Serve and vLLM behind one gRPC generation service."""
