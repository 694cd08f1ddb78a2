"""From frames to people: boxes, tracks over time, and the crops that show a person best. numpy and ONNX Runtime, no torch."""
