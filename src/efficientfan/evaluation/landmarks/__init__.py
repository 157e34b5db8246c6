"""Evaluating landmarks: the error of a model, or of any tool's predictions, on a data set as its paper measures it."""
