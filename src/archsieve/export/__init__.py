"""Export of a found network: as source, torch.export program, ONNX file and weights."""
