"""From torch to what devices run: ONNX, FP16, INT8, TensorRT, each through a gate."""
