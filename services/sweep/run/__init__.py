"""Asks the planned questions and makes the answers and their scores durable."""
