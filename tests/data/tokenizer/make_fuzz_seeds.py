"""Writes tests/fuzz/corpus/tokenizer: small tokenizer.json files of every part, each with a text after a
zero byte. Run: python3 make_fuzz_seeds.py"""
import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "..", "fuzz", "corpus", "tokenizer")
CHARSMAP = open(os.path.join(HERE, "charsmap.txt")).read().strip()
SPECIALS = [{"id": 0, "content": "<s>", "special": True},
            {"id": 1, "content": "ab", "lstrip": True, "rstrip": True, "single_word": True, "normalized": True}]
VOCAB = {"<s>": 0, "ab": 1, "a": 2, "b": 3, "ba": 4, "Ġ": 5, "▁": 6, "<0x0A>": 7, "##b": 8, "b</w>": 9, "aba": 10, "é": 11}
BPE = {"type": "BPE", "unk_token": "<s>", "vocab": VOCAB, "merges": ["a b", ["b", "a"], "ab a"]}
PIECES = {"type": "Unigram", "unk_id": 0, "byte_fallback": True,
          "vocab": [["<s>", 0], ["ab", -1.5], ["a", -1], ["b", -1.25], ["▁", -2]] + [[f"<0x{i:02X}>", -9] for i in range(0x60, 0x70)]}
META = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}
REGEX = "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def split(pattern, behavior):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": False}


SEEDS = {
    "byte_level": (dict(model=BPE, pre_tokenizer=sequence("pretokenizers", split({"Regex": REGEX}, "Isolated"), {**BYTES, "use_regex": False}),
                        decoder=BYTES, normalizer={"type": "NFC"}), "aba it's 123é\n\n"),
    "gpt2": (dict(model={**BPE, "ignore_merges": True, "fuse_unk": True}, pre_tokenizer=BYTES, decoder=BYTES), " ab <s> 12"),
    "sentencepiece": (dict(
        model={**BPE, "byte_fallback": True, "fuse_unk": True},
        normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
        decoder=sequence("decoders", {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
                         {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})), "ab\n ba"),
    "unigram": (dict(model=PIECES, pre_tokenizer=META, decoder=sequence("decoders", {"type": "ByteFallback"}, META),
                     normalizer={"type": "Precompiled", "precompiled_charsmap": CHARSMAP}), "ab hi Ａ①e\u0301 \ufb01"),
    "word_piece": (dict(model={"type": "WordPiece", "unk_token": "<s>", "vocab": VOCAB, "max_input_chars_per_word": 9},
                        normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True},
                        pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
                        post_processor={"type": "BertProcessing", "sep": ["<s>", 0], "cls": ["<s>", 0]}), "ABB 日a . é"),
    "word_level": (dict(model={"type": "WordLevel", "unk_token": "<s>", "vocab": VOCAB}, decoder=None,
                        pre_tokenizer=sequence("pretokenizers", {"type": "Whitespace"}, {"type": "Punctuation", "behavior": "Removed"},
                                               {"type": "Digits", "individual_digits": True}, {"type": "FixedLength", "length": 2})), "ab, a1"),
    "affixes": (dict(model={"type": "BPE", "unk_token": "<s>", "vocab": VOCAB, "merges": [], "end_of_word_suffix": "</w>",
                            "continuing_subword_prefix": "##"}, pre_tokenizer={"type": "WhitespaceSplit"},
                     decoder={"type": "BPEDecoder", "suffix": "</w>"}), "a b ab"),
    "splits": (dict(model=BPE, pre_tokenizer=sequence("pretokenizers", split({"String": "b"}, "MergedWithPrevious"),
                                                      split({"Regex": "a+"}, "MergedWithNext"), {"type": "CharDelimiterSplit", "delimiter": " "}),
                    decoder={"type": "CTC", "pad_token": "a", "word_delimiter_token": "|", "cleanup": True}), "aabb ab"),
    "normalizers": (dict(model=BPE, decoder={"type": "Fuse"}, normalizer=sequence(
        "normalizers", {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Nmt"},
        {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Replace", "pattern": {"Regex": "[b-z]{2,}"}, "content": "b"},
        {"type": "NFKC"}, {"type": "ByteLevel"})), " É\u0301 ABBC½"),
    "template": (dict(model=BPE, decoder=META, post_processor=sequence("processors", BYTES, {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}})), "<s>ab"),
}
os.makedirs(OUT, exist_ok=True)
for name, (parts, text) in SEEDS.items():
    added = [] if parts["model"]["type"] == "Unigram" else SPECIALS
    data = json.dumps({"added_tokens": added, **parts}, ensure_ascii=False).encode() + b"\0" + text.encode()
    open(os.path.join(OUT, name), "wb").write(data)
