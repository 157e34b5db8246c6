"""Evaluating landmarks: the error of a model, or of any tool's predictions, by the metrics of a data set's paper."""
