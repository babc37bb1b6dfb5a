"""Recognisers as ONNX files, and greedy search over them without PyTorch."""
