"""Writes tiny random models that cover what the models under ../tiny do not, with reference logits.

usage: make_variants.py OUT   (needs torch, transformers and safetensors; run with transformers 5.23)

Each case is a folder of config.json, model.safetensors (bfloat16) and logits.safetensors: `ids` [T] and
`logits` [T, V] of one forward pass in float32 with eager attention. Cases in FLAT have their config
in the form that older checkpoints have.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import transformers as hf
from safetensors.torch import save_file

OUT = sys.argv[1]
torch.set_num_threads(1)


def common(**more):
    out = dict(vocab_size=97, hidden_size=48, intermediate_size=80, num_hidden_layers=3,
               num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
               bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.25,
               tie_word_embeddings=False, attn_implementation="eager")
    out.update(more)
    return out


def rope(kind, **more):
    return dict(rope_type=kind, rope_theta=10000.0, **more)


SHORT = [1.0 + 0.05 * i for i in range(6)]
LONG = [1.5 + 0.8 * i for i in range(6)]
LONGROPE = dict(original_max_position_embeddings=32, max_position_embeddings=128, head_dim=16,
                hidden_size=64, pad_token_id=None, rope_parameters=rope("longrope", partial_rotary_factor=0.75,
                                                     short_factor=SHORT, long_factor=LONG))

# name: (config, model class, tokens)
CASES = {
    "mistral-window": (hf.MistralConfig(**common(sliding_window=9, head_dim=16)),
                       hf.MistralForCausalLM, 70),
    "qwen2-window": (hf.Qwen2Config(**common(use_sliding_window=True, sliding_window=11,
                                             max_window_layers=1)), hf.Qwen2ForCausalLM, 70),
    "qwen3-bias": (hf.Qwen3Config(**common(attention_bias=True, head_dim=20,
                                           tie_word_embeddings=True)), hf.Qwen3ForCausalLM, 40),
    "llama-bias-linear": (hf.LlamaConfig(**common(attention_bias=True, mlp_bias=True,
                                                  rope_parameters=rope("linear", factor=4.0))),
                          hf.LlamaForCausalLM, 70),
    # intermediate_size is no multiple of 16, head_dim and hidden_size neither
    "llama-odd": (hf.LlamaConfig(**common(hidden_size=44, intermediate_size=75, head_dim=10,
                                          num_attention_heads=4, num_key_value_heads=1)),
                  hf.LlamaForCausalLM, 40),
    "llama-yarn": (hf.LlamaConfig(**common(rope_parameters=rope(
        "yarn", factor=4.0, original_max_position_embeddings=32))), hf.LlamaForCausalLM, 100),
    "llama-yarn-mscale": (hf.LlamaConfig(**common(rope_parameters=rope(
        "yarn", factor=8.0, original_max_position_embeddings=16, mscale=0.7, mscale_all_dim=0.4,
        beta_fast=16, beta_slow=2, truncate=False))), hf.LlamaForCausalLM, 100),
    "llama-dynamic": (hf.LlamaConfig(**common(rope_parameters=rope("dynamic", factor=2.0))),
                      hf.LlamaForCausalLM, 100),
    "phi3-window": (hf.Phi3Config(**common(sliding_window=13, head_dim=12)), hf.Phi3ForCausalLM, 70),
    "phi3-longrope-short": (hf.Phi3Config(**common(**LONGROPE)), hf.Phi3ForCausalLM, 30),
    "phi3-longrope-long": (hf.Phi3Config(**common(**LONGROPE)), hf.Phi3ForCausalLM, 100),
    "gemma2-odd": (hf.Gemma2Config(**common(intermediate_size=72, head_dim=12, sliding_window=8,
                                            query_pre_attn_scalar=20, initializer_range=0.15,
                                            tie_word_embeddings=True)), hf.Gemma2ForCausalLM, 40),
}
FLAT = {"qwen2-window", "llama-bias-linear", "llama-yarn", "phi3-longrope-short"}


def randomise(model, generator):
    gemma = "Gemma" in type(model).__name__
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "norm" in name:
                p.copy_((torch.rand(p.shape, generator=generator) - 0.5) * 0.6 + (0.0 if gemma else 1.0))
            elif name.endswith("bias"):
                p.copy_(torch.randn(p.shape, generator=generator) * 0.2)
            else:
                p.copy_(torch.randn(p.shape, generator=generator) * model.config.initializer_range)
            p.copy_(p.to(torch.bfloat16).float())


def flatten(path):
    config = json.load(open(path))
    parameters = config.pop("rope_parameters")
    config["rope_theta"] = parameters.pop("rope_theta")
    if "partial_rotary_factor" in parameters:
        config["partial_rotary_factor"] = parameters.pop("partial_rotary_factor")
    kind = parameters.pop("rope_type")
    if kind != "default":
        config["rope_scaling"] = {"type": kind, **parameters}
    config.pop("layer_types", None)
    config["torch_dtype"] = config.pop("dtype", "bfloat16")
    json.dump(config, open(path, "w"), indent=2)


for index, (name, (config, kind, tokens)) in enumerate(CASES.items()):
    generator = torch.Generator().manual_seed(100 + index)
    folder = os.path.join(OUT, name)
    model = kind(config)
    randomise(model, generator)
    model.eval()
    ids = torch.randint(3, config.vocab_size, (tokens,), generator=generator)
    with torch.no_grad():
        logits = model(ids[None]).logits[0].float().contiguous()
    model.to(torch.bfloat16).save_pretrained(folder)
    os.remove(os.path.join(folder, "generation_config.json"))
    if name in FLAT:
        flatten(os.path.join(folder, "config.json"))
    save_file({"ids": ids.int(), "logits": logits}, os.path.join(folder, "logits.safetensors"))
    print(name, tuple(logits.shape), float(logits.abs().max()))
