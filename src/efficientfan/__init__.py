"""Facial landmarks: see README.md."""
