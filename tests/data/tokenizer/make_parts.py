"""Writes parts.json: small tokenizers, each with one part of tokenizer.json varied, and what the
Python package `tokenizers` makes of some texts. Run: python3 make_parts.py (tokenizers 0.23.3)."""
import json
import os
import tempfile

import tokenizers

CHARS = "abcdeghilnorst ABH.,!?'12\n_-▁Ġé́ﬁ日本<>/x"
WORDS = ["he", "ll", "hell", "hello", "or", "wor", "ld", "▁h", "▁he", "▁hello", "in", "an", "▁a", "▁▁"]
MERGES = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["o", "r"], ["w", "or"], ["l", "d"],
          ["▁", "h"], ["▁h", "e"], ["▁", "hello"], ["i", "n"], ["a", "n"], ["▁", "a"], ["▁", "▁"]]
TEXTS = ["", "hello world", "  Hello  hell ", "a12 1b345", "he'll, an Anb", "caf\u00e9 cafe\u0301 \ufb01n",
         "日本x日", "\n \n<a>hello</a> <x>", "in<s>hello </s> or", "an_an-an an", "▁hello ▁", "\u0130\u00df\U0001F680",
         " ", "\r\nhe\r\n\tll", "👩\u200d👩\u200d👧 ok", "a\u0323\u0302e\u0301 e\u0308", "안녕 \u1100\u1161", "مرحبا، hello",
         "ha" * 60 + " lo", "x\u00a0y\u2003z\u200b\u3000\ufeff\u00ad", "a\u0000b\u0007\ufffd\u0085\u0378", "½Ⅷ①Ａ Ⓐb_c",
         "<s><s> <0x41> he</s>", "don't do not I'm . ? ! , ' x"]


def byte_alphabet():
    keep = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    rest = [b for b in range(256) if b not in keep]
    return [chr(b) for b in keep] + [chr(256 + i) for i in range(len(rest))]


def added(content, i, **flags):
    base = dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {**base, **flags}


def seq(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


tokens = ["<unk>", "<s>", "</s>"] + sorted(set(CHARS) | {"w", "Ã", "©"}) + WORDS
BASE = dict(
    version="1.0", truncation=None, padding=None,
    added_tokens=[added("<unk>", 0, special=True), added("<s>", 1, special=True), added("</s>", 2, special=True)],
    normalizer=None, pre_tokenizer=None, post_processor=None, decoder={"type": "Fuse"},
    model=dict(type="BPE", dropout=None, unk_token="<unk>", continuing_subword_prefix=None,
               end_of_word_suffix=None, fuse_unk=False, byte_fallback=False, ignore_merges=False,
               vocab={t: i for i, t in enumerate(tokens)}, merges=MERGES))
V = len(tokens)
BYTES = {**BASE["model"]["vocab"], **{f"<0x{b:02X}>": V + b for b in range(256)}}
ALPHABET = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>"] + byte_alphabet() + ["he", "ll", "hell", "hello", "Ġhello", "Ġ1"])}
AMERGES = [["h", "e"], ["l", "l"], ["he", "ll"], ["hell", "o"], ["Ġ", "hello"], ["Ġ", "1"]]
BL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
SPACE = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
LLAMA2 = seq("decoders", SPACE, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def template(prefix, suffix):
    ids = {"<s>": 1, "</s>": 2}
    special = lambda t: {"SpecialToken": {"id": t, "type_id": 0}}
    single = [special(t) for t in prefix] + [{"Sequence": {"id": "A", "type_id": 0}}] + [special(t) for t in suffix]
    return {"type": "TemplateProcessing", "single": single,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in set(prefix) | set(suffix)}}


configs = {}
for form in ["NFC", "NFD", "NFKC", "NFKD", "Lowercase"]:
    configs["normalizer " + form] = dict(normalizer={"type": form})
configs["normalizer Replace string"] = dict(normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
configs["normalizer Replace regex"] = dict(normalizer={"type": "Replace", "pattern": {"Regex": "\\s+|l(?=o)"}, "content": "-"})
configs["normalizer Prepend"] = dict(normalizer={"type": "Prepend", "prepend": "▁"})
for left, right in [(True, False), (False, True), (True, True)]:
    configs[f"normalizer Strip {left} {right}"] = dict(normalizer={"type": "Strip", "strip_left": left, "strip_right": right})
configs["normalizer Sequence"] = dict(
    normalizer=seq("normalizers", {"type": "Lowercase"}, {"type": "NFKC"}, {"type": "Prepend", "prepend": "▁"},
                   {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}), decoder=LLAMA2)
for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
    for invert in [False, True]:
        configs[f"Split {behavior} {invert}"] = dict(pre_tokenizer=split({"Regex": "[aeio]"}, behavior, invert))
    configs[f"Split string {behavior}"] = dict(pre_tokenizer=split({"String": "ll"}, behavior))
configs["Split empty matches"] = dict(pre_tokenizer=split({"Regex": "(?=l)"}, "Isolated"))
for single in [True, False]:
    configs[f"Digits {single}"] = dict(pre_tokenizer={"type": "Digits", "individual_digits": single},
                                       model=dict(vocab={**BASE["model"]["vocab"], "12": V, "34": V + 1},
                                                  merges=MERGES + [["1", "2"]]))
for scheme in ["always", "never", "first"]:
    for cut in [True, False]:
        meta = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}
        configs[f"Metaspace {scheme} {cut}"] = dict(pre_tokenizer=meta, decoder=meta)
for prefix in [True, False]:
    for regex in [True, False]:
        bl = {**BL, "add_prefix_space": prefix, "use_regex": regex}
        configs[f"ByteLevel {prefix} {regex}"] = dict(
            pre_tokenizer=bl, decoder=bl, post_processor=bl, model=dict(unk_token=None, vocab=ALPHABET, merges=AMERGES))
configs["pre_tokenizer Sequence"] = dict(
    pre_tokenizer=seq("pretokenizers", {"type": "Digits", "individual_digits": True}, BL), decoder=BL,
    model=dict(unk_token=None, vocab=ALPHABET, merges=AMERGES, ignore_merges=True))
configs["byte_fallback"] = dict(decoder=LLAMA2, model=dict(vocab=BYTES, byte_fallback=True),
                                normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
configs["byte_fallback without the tokens"] = dict(model=dict(byte_fallback=True, fuse_unk=True))
configs["fuse_unk"] = dict(model=dict(fuse_unk=True))
configs["ignore_merges"] = dict(model=dict(ignore_merges=True, merges=MERGES[:3]))
configs["no decoder"] = dict(decoder=None)
configs["decoder Strip of each token"] = dict(decoder={"type": "Strip", "content": "l", "start": 1, "stop": 1})
configs["decoder Strip of the text"] = dict(decoder=seq("decoders", {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 2, "stop": 1}))
configs["template"] = dict(post_processor=template(["<s>"], ["</s>"]))
configs["template in a Sequence"] = dict(post_processor=seq("processors", BL, template(["</s>", "<s>"], ["</s>"])))
for flag in ["lstrip", "rstrip", "single_word", "normalized", "special"]:
    configs["added " + flag] = dict(
        added_tokens=BASE["added_tokens"] + [added("an", V, **{flag: True}), added("<a>", V + 1, **{flag: True}),
                                             added("anb", V + 2, **{flag: True})],
        normalizer={"type": "Lowercase"}, model=dict(vocab={k: v for k, v in BASE["model"]["vocab"].items() if k != "an"} | {"zz": BASE["model"]["vocab"]["an"]}, merges=[m for m in MERGES if m != ["a", "n"]]))


# The other models, whole.
PIECES = [["<unk>", 0.0], ["<s>", 0.0], ["</s>", 0.0], ["▁", -2.0], ["▁he", -3.5], ["ll", -4.0], ["llo", -4.5], ["hello", -6.0],
          ["▁hello", -7.25], ["h", -5.0], ["e", -4.5], ["l", -4.75], ["o", -4.25], ["a", -4.0], ["an", -4.0], ["▁an", -5.0],
          ["日本", -6.0], ["日", -7.0], ["w", -5.5], ["or", -5.0], ["r", -5], ["d", -5.0], [" ", -3.0], ["é", -6.5], ["ha", -6.0],
          ["haha", -8.0], ["b", -5.5], ["bc", -9.0], ["c", -5.0], ["<", -7.0], [">", -7.0], ["Ậ", -9.0]]
BYTE_PIECES = PIECES + [[f"<0x{b:02X}>", -12.0] for b in range(256)]
META = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}


def unigram(**change):
    return {"type": "Unigram", "unk_id": 0, "vocab": PIECES, "byte_fallback": False, **change}


configs["Unigram"] = dict(model=unigram(), pre_tokenizer=META, decoder=META)
configs["Unigram without words"] = dict(model=unigram(), decoder=META)
configs["Unigram byte_fallback"] = dict(model=unigram(byte_fallback=True, vocab=BYTE_PIECES), pre_tokenizer=META,
                                        decoder=seq("decoders", {"type": "ByteFallback"}, META))
configs["Unigram some bytes"] = dict(model=unigram(byte_fallback=True, vocab=BYTE_PIECES[:-90]), pre_tokenizer=META)
CHARSMAP = {"type": "Precompiled", "precompiled_charsmap": open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "charsmap.txt")).read().strip()}
configs["Precompiled"] = dict(normalizer=CHARSMAP)
configs["Precompiled T5"] = dict(
    model=unigram(), decoder=META, post_processor=template([], ["</s>"]),
    normalizer=seq("normalizers", CHARSMAP, {"type": "Strip", "strip_left": False, "strip_right": True},
                   {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}), pre_tokenizer=META)

PIECE_VOCAB = {t: i for i, t in enumerate(
    ["[PAD]", "<s>", "</s>", "[UNK]", "he", "##ll", "##llo", "hello", "wor", "##ld", "a", "##n", "an", "##b", "日", "本", "'", ",", "<",
     ">", "/", "s", "cafe", "fin", "1", "##2", "12", "##3", "##4", "##5", ".", "?", "!", "do", "not", "i", "m", "don", "t", "n't", "or",
     "in", "ha", "##ha", "x", "##x", "##or"])}
PIECE = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": PIECE_VOCAB}
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
PIECE_ADDED = [added("[PAD]", 0, special=True), added("<s>", 1, special=True), added("</s>", 2, special=True), added("[UNK]", 3, special=True)]
for cleanup in [True, False]:
    configs[f"WordPiece {cleanup}"] = dict(
        model=PIECE, added_tokens=PIECE_ADDED, normalizer=BERT, pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor={"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]},
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": cleanup})
configs["WordPiece short words"] = dict(model={**PIECE, "max_input_chars_per_word": 3}, added_tokens=PIECE_ADDED,
                                        pre_tokenizer={"type": "Whitespace"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True})
LEVEL = {"type": "WordLevel", "unk_token": "[UNK]", "vocab": PIECE_VOCAB}
for name, step in {
        "Whitespace": {"type": "Whitespace"}, "WhitespaceSplit": {"type": "WhitespaceSplit"},
        "BertPreTokenizer": {"type": "BertPreTokenizer"}, "CharDelimiterSplit": {"type": "CharDelimiterSplit", "delimiter": " "},
        "Punctuation": {"type": "Punctuation"}, "FixedLength": {"type": "FixedLength", "length": 2},
        "Punctuation Removed": {"type": "Punctuation", "behavior": "Removed"},
        "Sequence": seq("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "MergedWithNext"})}.items():
    configs["WordLevel " + name] = dict(model=LEVEL, added_tokens=PIECE_ADDED, pre_tokenizer=step, decoder=None)
    configs["BPE " + name] = dict(pre_tokenizer=step)
for normalizer in [{"type": "Nmt"}, {"type": "StripAccents"}, {"type": "ByteLevel"},
                   seq("normalizers", {"type": "NFD"}, {"type": "StripAccents"}),
                   {**BERT, "clean_text": False}, {**BERT, "handle_chinese_chars": False, "strip_accents": False},
                   {**BERT, "lowercase": False}, {**BERT, "lowercase": False, "strip_accents": True}]:
    configs["normalizer " + json.dumps(normalizer)] = dict(normalizer=normalizer)
configs["RobertaProcessing"] = dict(post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1],
                                                    "trim_offsets": True, "add_prefix_space": False})
PREFIXED = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>", "h", "##e", "##l", "##o", "a", "##n", "he", "##ll", "hell", "hello", "an", "##a",
                                        "##h", "##ha", "##haha"])}
configs["continuing_subword_prefix"] = dict(
    model=dict(continuing_subword_prefix="##", vocab=PREFIXED,
               merges=[["h", "##e"], ["##l", "##l"], ["he", "##ll"], ["hell", "##o"], ["a", "##n"], ["##h", "##a"], ["##ha", "##ha"]]),
    pre_tokenizer={"type": "WhitespaceSplit"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": False})
SUFFIXED = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>", "h", "e", "l", "o", "o</w>", "a</w>", "a", "n", "n</w>", "he", "ll", "llo</w>", "hello</w>",
                                        "an</w>", "b</w>", "ha", "ha</w>"])}
configs["end_of_word_suffix"] = dict(
    model=dict(end_of_word_suffix="</w>", vocab=SUFFIXED,
               merges=[["h", "e"], ["l", "l"], ["ll", "o</w>"], ["he", "llo</w>"], ["a", "n</w>"], ["h", "a"], ["h", "a</w>"]]),
    pre_tokenizer={"type": "WhitespaceSplit"}, decoder={"type": "BPEDecoder", "suffix": "</w>"})
for cleanup in [True, False]:
    configs[f"CTC {cleanup}"] = dict(decoder={"type": "CTC", "pad_token": "l", "word_delimiter_token": "h", "cleanup": cleanup})
configs["Split nested class"] = dict(pre_tokenizer=split({"Regex": " ?[^(\\s|[.,!?…。，、।۔،])]+"}, "Isolated"))
# Metaspace's "first" is the piece at the start of the text; what drops the front of the text drops it.
FIRST = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
for name, step in {"Strip": {"type": "Strip", "strip_left": True, "strip_right": False}, "StripAccents": {"type": "StripAccents"}, "Nmt": {"type": "Nmt"},
                   "Replace": {"type": "Replace", "pattern": {"Regex": "^[ h]+"}, "content": ""}, "BertNormalizer": BERT}.items():
    configs["Metaspace first after " + name] = dict(normalizer=step, pre_tokenizer=FIRST)
configs["Metaspace first after WhitespaceSplit"] = dict(pre_tokenizer=seq("pretokenizers", {"type": "WhitespaceSplit"}, FIRST))
configs["Metaspace first after ByteLevel"] = dict(pre_tokenizer=seq("pretokenizers", {**BL, "add_prefix_space": True}, FIRST))
# Added tokens that the model does not have: it never makes them.
ALONE = [added("ß", V, single_word=True), added("½", V + 1), added("Ⓐ", V + 2, single_word=True)]
configs["BPE only added"] = dict(added_tokens=BASE["added_tokens"] + ALONE)
configs["BPE only added, whole words"] = dict(added_tokens=BASE["added_tokens"] + ALONE, model=dict(ignore_merges=True),
                                              pre_tokenizer={"type": "FixedLength", "length": 1})
configs["BPE only added, lowercase"] = dict(added_tokens=BASE["added_tokens"] + [added("ａ", V), added("ⓐ", V + 1)], normalizer={"type": "Lowercase"})
configs["BPE only added bytes"] = dict(model=dict(byte_fallback=True), added_tokens=BASE["added_tokens"] + [added(f"<0x{b:02X}>", V + b) for b in range(256)])
for model in [PIECE, LEVEL]:
    configs[model["type"] + " only added"] = dict(
        model=model, added_tokens=PIECE_ADDED + [added("ß", len(PIECE_VOCAB), single_word=True), added("ａ", len(PIECE_VOCAB) + 1)],
        normalizer={"type": "Lowercase"}, pre_tokenizer={"type": "FixedLength", "length": 1})

out = dict(base=BASE, configs=[])
for name, change in configs.items():
    model = change.get("model", {})
    full = {**BASE, **change, "model": model if "type" in model else {**BASE["model"], **model}}
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "tokenizer.json")
        json.dump(full, open(path, "w"))
        t = tokenizers.Tokenizer.from_file(path)
    cases = []
    for text in TEXTS:
        ids = t.encode(text, add_special_tokens=False).ids
        try:
            decoded = [t.decode(ids, skip_special_tokens=skip) for skip in (False, True)]
        except BaseException:  # its Strip panics on a text shorter than what it takes off
            continue
        cases.append(dict(text=text, ids=ids, ids_special=t.encode(text).ids,
                          decoded=decoded[0], decoded_skip=decoded[1]))
    out["configs"].append(dict(name=name, change=change, cases=cases))
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "parts.json"), "w"), ensure_ascii=True, separators=(",", ":"))
print(len(configs), "tokenizers")
