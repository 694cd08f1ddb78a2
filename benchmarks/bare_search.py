"""One sentence through the text tower, and nothing of Passerby: what any program of this kind must load. See ``start_time.py``.

Usage: python bare_search.py BUNDLE SENTENCE
"""

import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

folder, sentence = sys.argv[1:]
tower = onnxruntime.InferenceSession(f"{folder}/text_tower.onnx", providers=["CPUExecutionProvider"])
tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
tokenizer.no_padding()
ids = np.array([tokenizer.encode(sentence).ids])
print(tower.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0].shape)
