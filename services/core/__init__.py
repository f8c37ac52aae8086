"""What every room shares: the error tree and content digests. Standard library only."""
