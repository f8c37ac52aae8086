"""The answers themselves, as data that a report's page reads: texts, highlights and pictures."""
