"""From clips to predictions: the recogniser, sliding windows, text and tables, ONNX."""
