"""From clips to answers: the recogniser, sliding windows, predictions, ONNX."""
