"""The two services as the driver sees them."""
