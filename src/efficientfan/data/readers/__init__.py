"""One small reader per data set layout: a folder or file in, `Annotation`s out."""

__all__: list[str] = []
