"""Where results live: tables in shards, on disks and in object stores, and reading them back."""
