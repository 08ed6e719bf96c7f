#!/usr/bin/env python3
"""MLX's quantisation of every width, group and type of scales: mlx.core.quantize and .dequantize.
Writes quantized.safetensors; for each NAME (affine4_g64_bfloat16, mxfp4_g32_float32):
  NAME.source                  what was quantised, [3, 256]
  NAME.weight .scales .biases  what became of it (MXFP4 has no biases)
  NAME.values                  float32 arithmetic on words and scales
Needs: pip install 'mlx[cpu]' numpy"""
import pathlib

import mlx.core as mx
import numpy as np

ROWS, COLUMNS = 3, 256
mx.set_default_device(mx.cpu)
rng = np.random.default_rng(11)
out = {}


def source(dtype):
    w = rng.standard_normal((ROWS, COLUMNS)).astype(np.float32) * 0.02
    w[1, :128] = np.abs(w[1, :128])   # a group of one sign
    w[1, 128:] = -np.abs(w[1, 128:])
    w[2, :32] = 0.0                   # no width, with and without an edge
    w[2, 32:64] = 0.25
    w[2, 64:128] *= 1e-7              # below the least scale
    w[2, 200] = 60.0                  # one value far from all others
    return mx.array(w).astype(dtype)


def add(name, w, mode, bits, group):
    words, scales, *biases = mx.quantize(w, group_size=group, bits=bits, mode=mode)
    wide = [s if s.dtype == mx.uint8 else s.astype(mx.float32) for s in [scales, *biases]]
    out[name + ".source"] = w
    out[name + ".weight"] = words
    out[name + ".scales"] = scales
    if biases:
        out[name + ".biases"] = biases[0]
    values = mx.dequantize(words, *wide, group_size=group, bits=bits, mode=mode)
    out[name + ".values"] = values.astype(mx.float32)


for bits in (2, 3, 4, 5, 6, 8):
    for group in (32, 64, 128):
        for dtype in ("float32", "float16", "bfloat16"):
            w = source(getattr(mx, dtype))
            add(f"affine{bits}_g{group}_{dtype}", w, "affine", bits, group)
add("mxfp4_g32_float32", source(mx.float32), "mxfp4", 4, 32)
mx.save_safetensors(str(pathlib.Path(__file__).parent / "quantized.safetensors"), out)
