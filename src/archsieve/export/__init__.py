"""A network that was found, taken home: as source, as programs of torch and ONNX, with its weights."""
