"""The report of sweeps: numbers with their uncertainty, pictures, and the answers."""
