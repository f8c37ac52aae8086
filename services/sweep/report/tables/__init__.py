"""A report as tables: CSV and JSON with everything, Markdown, LaTeX and the terminal to read."""
