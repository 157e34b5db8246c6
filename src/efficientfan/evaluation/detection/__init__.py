"""Evaluating face detectors: which faces of annotated photos are found, and at how many false alarms."""
