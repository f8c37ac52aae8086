"""The page: one file that shows a report, and lets its reader look at the very answers."""
