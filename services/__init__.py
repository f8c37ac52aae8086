"""The rooms of expart-serving: three programs and what they share; see README.md."""
