"""Scores the rows of a file, of any size, on this machine or by a scoring service.

Rows are read, scored and written as they come: only a bounded number of them is held at a time.
"""
