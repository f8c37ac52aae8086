"""How the programs speak of themselves: log events. Imports no room above it."""
