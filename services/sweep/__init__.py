"""The sweep driver: asks many questions of many models, scores the answers, loses nothing."""
