"""The ExpArt benchmark: records, field mappings, splits and pictures. Pure: no network, no gRPC."""
