"""Photos with boxes of their faces: what detectors are trained and evaluated on."""
