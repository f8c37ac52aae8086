"""What a spec comes to: the questions, their keys, and what of them is left to do."""
