#!/usr/bin/env python3
"""Compares `inference quantize` with mlx_lm.convert: every word, scale and bias of a model folder.
    scripts/compare_mlx_quantize.py MODEL_DIR... [--program build/bin/inference] [--bits 4] [--group 64]
Needs: pip install 'mlx[cpu]' mlx-lm. Exit code 1 where anything differs."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def read_folder(folder):
    """name -> (dtype, shape, bytes) of all safetensors files."""
    tensors = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        for name, entry in json.loads(data[8:8 + length]).items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            tensors[name] = (entry["dtype"], entry["shape"], data[8 + length + begin:8 + length + end])
    return tensors


def by_mlx(model, out, bits, group):
    import mlx.core as mx
    from mlx_lm import convert

    mx.set_default_device(mx.cpu)
    convert(model, mlx_path=out, quantize=True, q_bits=bits, q_group_size=group)


def compare(ours, mlx):
    """Prints a line; whether all tensors are the same."""
    kinds = {"words": 0, "scales": 0, "biases": 0, "plain": 0}
    differing = sorted(set(ours) ^ set(mlx))
    values = 0
    for name in sorted(set(ours) & set(mlx)):
        dtype, _, data = mlx[name]
        suffix = name.rsplit(".", 1)[-1]
        kind = "words" if dtype == "U32" else suffix if suffix in kinds else "plain"
        kinds[kind] += 1
        values += len(data) if kind == "words" else 0
        if ours[name] != mlx[name]:
            differing.append(name)
    print(f"  {sum(kinds.values())} tensors: " + ", ".join(f"{n} {k}" for k, n in kinds.items())
          + f"; {values // 4} packed words; {len(differing)} tensors differ")
    for name in differing[:10]:
        print(f"    {name}: ours {ours.get(name, ['-', '-'])[:2]}, mlx {mlx.get(name, ['-', '-'])[:2]}")
    return not differing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--program", default="build/bin/inference")
    parser.add_argument("--bits", type=int, nargs="+", default=[4])
    parser.add_argument("--group", type=int, nargs="+", default=[64])
    args = parser.parse_args()
    same = True
    for model in args.models:
        for bits in args.bits:
            for group in args.group:
                with tempfile.TemporaryDirectory() as folder:
                    ours, mlx = folder + "/ours", folder + "/mlx"
                    by_mlx(model, mlx, bits, group)
                    subprocess.run([args.program, "quantize", "--model", model, "--bits", str(bits),
                                    "--group", str(group), "--out", ours], check=True)
                    print(f"{model}: {bits} bits, group {group}")
                    same &= compare(read_folder(ours), read_folder(mlx))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
