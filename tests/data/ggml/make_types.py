#!/usr/bin/env python3
"""Rows of every block type and what they mean, by the `gguf` Python package (its dequantize).
Writes types.gguf: a tensor of each type, named by it, and its values as float32, "TYPE.values".
Needs: pip install gguf numpy"""
import pathlib

import gguf
import numpy as np

ROWS, COLUMNS = 3, 512
HALF_SCALES = {  # where the float16 scales of a block are
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "IQ4_NL": [0],
    "MXFP4": [], "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_XS": [0],
}

rng = np.random.default_rng(7)
writer = gguf.GGUFWriter(pathlib.Path(__file__).parent / "types.gguf", "llama")
for name, offsets in HALF_SCALES.items():
    kind = gguf.GGMLQuantizationType[name]
    block, size = gguf.GGML_QUANT_SIZES[kind]
    data = rng.integers(0, 256, (ROWS * COLUMNS // block, size), dtype=np.uint8)
    for at in offsets:
        scales = (rng.standard_normal(len(data)) * 0.01).astype(np.float16)
        data[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    if name == "MXFP4":
        data[:, 0] = rng.integers(100, 130, len(data))
        data[:2, 0] = [0, 1]
    data = data.reshape(ROWS, -1)
    writer.add_tensor(name, data, raw_shape=data.shape, raw_dtype=kind)
    writer.add_tensor(name + ".values", gguf.dequantize(data, kind).astype(np.float32))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
