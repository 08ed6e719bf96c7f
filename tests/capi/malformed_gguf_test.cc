// Catalogue of malformed GGUF files: what must be refused, and how. One case a line, with what its
// message must name.
#include <fmt/format.h>

#include <functional>
#include <map>

#include "capi/malformed.h"
#include "support/gguf_writer.h"

namespace inference::capi_test {
namespace {

using W = GgufWriter;

constexpr uint64_t kHuge[] = {uint64_t{1} << 63, UINT64_MAX, uint64_t{1} << 62};

class MalformedGguf : public Malformed {
 protected:
  void ExpectBad(std::string_view content, std::initializer_list<std::string_view> parts,
                 inf_status status = INF_E_FORMAT) {
    const std::string path = dir_.Write("bad.gguf", content);
    ExpectRefused(path, status, {path});
    ExpectRefused(path, status, parts);
  }
  void ExpectBad(const GgufWriter& writer, std::initializer_list<std::string_view> parts,
                 inf_status status = INF_E_FORMAT) {
    ExpectBad(writer.Build(), parts, status);
  }
  // The one key 'k' of `type`, then `value` as it is.
  void ExpectBadValue(uint32_t type, const ByteWriter& value,
                      std::initializer_list<std::string_view> parts,
                      inf_status status = INF_E_FORMAT) {
    const ByteWriter file = Head(0, 1).String("k").Put(type).Raw(value.bytes());
    ExpectBad(file.bytes(), {"key 'k'"}, status);
    ExpectBad(file.bytes(), parts, status);
  }

  static ByteWriter Head(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
    return ByteWriter().Raw("GGUF").Put(version).Put(tensors).Put(keys);
  }
};

TEST_F(MalformedGguf, GG01_MagicAndVersion) {
  ExpectBad("", {"magic: needs 4 bytes at byte 0, the file has 0 left"});
  ExpectBad("GGU", {"magic: needs 4 bytes at byte 0, the file has 3 left"});
  ExpectBad("GGML....................", {"magic: is 0x4c4d4747, expected 0x46554747"});
  ExpectBad("GGUF", {"version: needs 4 bytes at byte 4, the file has 0 left"});
  for (const uint32_t version : {0u, 1u, 4u, UINT32_MAX, 0x03000000u}) {
    ExpectBad(Head(0, 0, version).bytes(),
              {fmt::format("version: is {}, expected 2 or 3", version)});
  }
}

TEST_F(MalformedGguf, GG02_Counts) {
  for (const uint64_t count :
       {uint64_t{1} << 63, UINT64_MAX, uint64_t{1'000'000'000}, UINT64_MAX / 33 + 1, uint64_t{1}}) {
    ExpectBad(Head(count, 0).bytes(),
              {fmt::format("n_tensors: {} entries need at least 33 bytes each", count),
               "the file has 0 bytes left"},
              INF_E_LIMIT);
    ExpectBad(Head(0, count).bytes(),
              {fmt::format("n_kv: {} entries need at least 14 bytes each", count)}, INF_E_LIMIT);
  }
  const std::string path = dir_.WriteSparse("big.gguf", Head(300'000, 0).bytes(), 64 << 20);
  ExpectRefused(path, INF_E_LIMIT, {path, "n_tensors: is 300000, expected at most 262144"});
  dir_.WriteSparse("big.gguf", Head(0, 1'000'000).bytes(), 64 << 20);
  ExpectRefused(path, INF_E_LIMIT, {path, "n_kv: is 1000000, expected at most 65536"});
}

TEST_F(MalformedGguf, GG03_Keys) {
  for (const uint64_t length : {UINT64_MAX, uint64_t{1} << 30, uint64_t{21}}) {
    ExpectBad(Head(0, 1).Put(length).Raw(std::string(20, 'k')).bytes(),
              {"a key: needs", "the file has 20 left"});
  }
  ExpectBad(W().U32("", 1).String("pad", "pad"), {"key #0: is ''", "expected 1..65535 bytes"});
  ExpectBad(W().U32("a", 1).U32(std::string_view("b\0", 2), 1), {"key #1: is 'b\\x00'"});
  ExpectBad(W().U32("\xFF\xFE", 1), {"key #0: is '\\xff\\xfe'", "UTF-8"});
  ExpectBad(W().U32(std::string(65'536, 'k'), 1), {"key #0", "expected 1..65535 bytes"});
  ExpectBad(W().U32("a", 1).U32("b", 1).String("a", ""), {"duplicate key 'a'"});
}

TEST_F(MalformedGguf, GG03_Strings) {
  for (const uint64_t length : {UINT64_MAX, uint64_t{1} << 30, uint64_t{5}}) {
    ExpectBadValue(W::kString, ByteWriter().Put(length).Raw("text"),
                   {"needs", "the file has 4 left"});
    ExpectBadValue(W::kArray, ByteWriter().Put<uint32_t>(W::kString).Put<uint64_t>(1).Put(length),
                   {"needs", "the file has 0 left"});
  }
  ByteWriter large = Head(0, 1).String("k").Put<uint32_t>(W::kString).Put<uint64_t>(300 << 20);
  const std::string path = dir_.WriteSparse("large.gguf", large.bytes(), uint64_t{1} << 30);
  ExpectRefused(path, INF_E_LIMIT, {path, "key 'k'", "this part of a file may have 268435456"});
}

TEST_F(MalformedGguf, GG04_ValueTypes) {
  for (const uint32_t type : {13u, UINT32_MAX, 1u << 31}) {
    ExpectBadValue(type, ByteWriter().Put<uint64_t>(0),
                   {fmt::format("value type {} is unknown, expected 0..12", type)});
    ExpectBadValue(W::kArray, ByteWriter().Put(type).Put<uint64_t>(0),
                   {fmt::format("value type {} is unknown", type)});
  }
  ExpectBadValue(W::kBool, ByteWriter().Put<uint8_t>(7), {"bool is 7, expected 0 or 1"});
  ExpectBadValue(W::kU64, ByteWriter().Put<uint64_t>(uint64_t{1} << 63),
                 {"is 9223372036854775808, expected at most 9223372036854775807"});
}

TEST_F(MalformedGguf, GG04_Arrays) {
  for (const uint32_t type : {W::kU8, W::kBool, W::kU16, W::kF32, W::kU64, W::kString}) {
    for (const uint64_t count : kHuge) {
      ExpectBadValue(W::kArray, ByteWriter().Put(type).Put(count).Raw("some"),
                     {fmt::format("needs {} ", count), "the file has 4 left"});
    }
  }
  ByteWriter nested;
  for (int i = 0; i < 10'000; ++i) nested.Put<uint32_t>(W::kArray).Put<uint64_t>(1);
  ExpectBadValue(W::kArray, nested, {"nested array is not supported"}, INF_E_UNSUPPORTED);
  ExpectBadValue(W::kArray, ByteWriter().Put<uint32_t>(W::kBool).Put<uint64_t>(2).Raw("\x01\x07"),
                 {"bool is 7"});
  ByteWriter many = Head(0, 1).String("k").Put<uint32_t>(W::kArray).Put<uint32_t>(W::kU8);
  many.Put<uint64_t>((8 << 20) + 1);
  const std::string path = dir_.WriteSparse("many.gguf", many.bytes(), 16 << 20);
  ExpectRefused(path, INF_E_LIMIT,
                {path, "8388609 array elements, all arrays together may have 8388608"});
}

TEST_F(MalformedGguf, GG05_Alignment) {
  constexpr std::string_view kKey = "general.alignment";
  for (const uint32_t value : {0u, 3u, 13u, 1u << 21, 1u << 31}) {
    ExpectBad(W().U32(kKey, value), {fmt::format("key 'general.alignment': is {}, expected a power "
                                                 "of two <= 1048576",
                                                 value)});
  }
  ExpectBad(W().I32(kKey, 32), {"key 'general.alignment': has value type 5, expected 4 (u32)"});
  ExpectBad(W().String(kKey, "32"), {"has value type 8, expected 4 (u32)"});
  ExpectBad(W().U64(kKey, 32), {"has value type 10, expected 4 (u32)"});
  ExpectBad(W().U32(kKey, 32).U32(kKey, 32), {"duplicate key 'general.alignment'"});
}

TEST_F(MalformedGguf, GG06_TensorNames) {
  const auto named = [](std::string_view name) {
    return W().Tensor(name, W::kTensorI8, {4}, "data");
  };
  ExpectBad(named(std::string(64, 'n')), {"tensor #0: name is 'nnn", "expected 1..63 bytes"});
  ExpectBad(named(""), {"tensor #0: name is ''"});
  ExpectBad(named(std::string_view("a\0b", 3)), {"tensor #0: name is 'a\\x00b'"});
  ExpectBad(named("\x80"), {"tensor #0: name is '\\x80'"});
  ExpectBad(named("w").Tensor("w", W::kTensorI8, {4}, "data"), {"duplicate tensor 'w'"});
  ExpectBad(Head(1, 0).Put<uint64_t>(UINT64_MAX).Raw(std::string(40, 'n')).bytes(),
            {"a tensor name: needs 18446744073709551615 bytes"});
}

TEST_F(MalformedGguf, GG06_GG07_Dimensions) {
  for (const uint32_t dims : {0u, 5u, 9u, UINT32_MAX}) {
    ExpectBad(Head(1, 0).String("w").Put(dims).Raw(std::string(64, '\0')).bytes(),
              {fmt::format("tensor 'w': has {} dimensions, expected 1..4", dims)});
  }
  const auto shaped = [](const std::vector<uint64_t>& shape, uint32_t type = W::kTensorF32) {
    return W().TensorInfo("w", type, shape, 0);
  };
  ExpectBad(shaped({0}), {"tensor 'w': dimension 0 is 0, expected at least 1"});
  ExpectBad(shaped({0, 4}), {"dimension 1 is 0"});
  ExpectBad(shaped({UINT64_MAX}), {"dimension 0 is -1"});
  ExpectBad(shaped({uint64_t{1} << 63}), {"dimension 0 is -9223372036854775808"});
  constexpr uint64_t kWord = uint64_t{1} << 32;
  ExpectBad(shaped({kWord, kWord}), {"tensor 'w': size of F32 [4294967296, 4294967296] overflows"});
  ExpectBad(shaped({uint64_t{1} << 62, 4}), {"overflows"});
  ExpectBad(shaped({kWord, kWord / 4}), {"overflows"});
  ExpectBad(shaped({INT64_MAX, 1, 1, 2}, W::kTensorF64), {"overflows"});
  ExpectBad(shaped({kWord, kWord / 2}, W::kTensorQ4_0),
            {"tensor 'w': 5188146770730811392 bytes at offset 0 run past the end"});
}

TEST_F(MalformedGguf, GG07_SumOfSizesWraps) {
  GgufWriter writer;
  writer.Tensor("a", W::kTensorI8, {32}, std::string(32, 'a'));
  for (int i = 0; i < 4; ++i) {
    writer.TensorInfo(fmt::format("w{}", i), W::kTensorI8, {uint64_t{1} << 62}, 0);
  }
  ExpectBad(writer, {"tensor 'w0': 4611686018427387904 bytes at offset 0 run past the end"});
}

TEST_F(MalformedGguf, GG08_TensorTypes) {
  const auto typed = [](uint32_t type) {
    return W().Tensor("w", type, {1, 256}, std::string(8, 'd'));
  };
  for (const uint32_t type : {UINT32_MAX, 4u, 5u, 31u, 36u, 1'000'000u}) {
    ExpectBad(typed(type), {fmt::format("tensor 'w': type {} is unknown", type)});
  }
  struct Case {
    uint32_t number;
    const char* name;
  };
  constexpr Case kKnown[] = {{9, "Q8_1"},     {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"},
                             {18, "IQ3_XXS"}, {19, "IQ1_S"}, {21, "IQ3_S"},   {22, "IQ2_S"},
                             {29, "IQ1_M"},   {34, "TQ1_0"}, {35, "TQ2_0"}};
  for (const Case& c : kKnown) {
    ExpectBad(typed(c.number),
              {fmt::format("tensor 'w': type {} ({}) is not supported", c.name, c.number)},
              INF_E_UNSUPPORTED);
  }
  ExpectBad(W().TensorInfo("w", W::kTensorQ4_0, {32, 33}, 0),
            {"tensor 'w': rows have 33 elements, Q4_0 wants a multiple of 32"});
  ExpectBad(W().TensorInfo("w", W::kTensorQ6_K, {256, 128}, 0), {"Q6_K wants a multiple of 256"});
}

TEST_F(MalformedGguf, GG09_Offsets) {
  const auto at = [](uint64_t offset) {
    return W()
        .Tensor("a", W::kTensorI8, {64}, std::string(64, 'a'))
        .TensorInfo("w", W::kTensorI8, {32}, offset);
  };
  ExpectBad(at(1), {"tensor 'w': offset 1 is not a multiple of the alignment 32"});
  ExpectBad(at(UINT64_MAX), {"is not a multiple"});
  ExpectBad(at(UINT64_MAX - 31), {"32 bytes at offset 18446744073709551584 run past the end, the "
                                  "file has 64 data bytes"});
  ExpectBad(at(64), {"tensor 'w': 32 bytes at offset 64 run past the end"});
  ExpectBad(at(0), {"which tensor", "still fills up to byte"});
  ExpectBad(at(32), {"tensor 'w': begins at byte", "which tensor 'a' still fills"});
  ExpectBad(W().TensorInfo("w", W::kTensorI8, {1}, 0),
            {"1 bytes at offset 0 run past the end, the file has 0 data bytes"});
  // The region up to the next tensor is smaller than the type needs.
  ExpectBad(W().TensorInfo("a", W::kTensorF32, {16}, 0)
                .Tensor("b", W::kTensorI8, {96}, std::string(96, 'b')),
            {"which tensor"});
}

// A Llama of one layer that loads: 32 wide, 4 tokens, feed-forward matrices as Q8_0.
constexpr uint32_t kWidth = 32;

struct SmallLlama {
  std::map<std::string, uint32_t> numbers = {
      {"llama.embedding_length", kWidth},    {"llama.block_count", 1},
      {"llama.attention.head_count", 1},     {"llama.attention.head_count_kv", 1},
      {"llama.feed_forward_length", kWidth}, {"llama.context_length", 64}};
  std::map<std::string, std::string> texts = {{"general.architecture", "llama"},
                                              {"tokenizer.ggml.model", "gpt2"},
                                              {"tokenizer.ggml.pre", "default"}};
  std::vector<std::string> tokens = {"a", "b", "c", "ab"};
  std::vector<int32_t> types = {1, 1, 1, 1};
  uint16_t scale = 0x1400;  // of the last block of ffn_down

  std::string Build() const {
    W writer;
    for (const auto& [key, value] : texts) writer.String(key, value);
    for (const auto& [key, value] : numbers) writer.U32(key, value);
    writer.F32("llama.attention.layer_norm_rms_epsilon", 1e-6f);
    writer.Strings("tokenizer.ggml.tokens", tokens).I32s("tokenizer.ggml.token_type", types);
    writer.Strings("tokenizer.ggml.merges", {"a b"});
    const std::vector<float> values(kWidth * kWidth, 0.01f);
    const auto floats = [&](const std::string& name, uint64_t rows) {
      writer.TensorF32(
          name, rows == 0 ? std::vector<uint64_t>{kWidth} : std::vector<uint64_t>{rows, kWidth},
          std::span(values).first(std::max<uint64_t>(rows, 1) * kWidth));
    };
    floats("token_embd.weight", 4);
    floats("output_norm.weight", 0);
    floats("blk.0.attn_norm.weight", 0);
    floats("blk.0.ffn_norm.weight", 0);
    for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output"}) {
      floats(fmt::format("blk.0.{}.weight", name), kWidth);
    }
    for (const char* name : {"ffn_gate", "ffn_up", "ffn_down"}) {
      ByteWriter blocks;
      for (uint32_t row = 0; row < kWidth; ++row) {
        const bool is_last = row == kWidth - 1 && std::string_view(name) == "ffn_down";
        blocks.Put(is_last ? scale : uint16_t{0x1400}).Raw(std::string(32, '\1'));
      }
      writer.Tensor(fmt::format("blk.0.{}.weight", name), W::kTensorQ8_0, {kWidth, kWidth},
                    blocks.bytes());
    }
    return writer.Build();
  }
};

class MalformedGgufModel : public MalformedGguf {
 protected:
  void ExpectBadModel(inf_status status, std::initializer_list<std::string_view> parts,
                      const std::function<void(SmallLlama&)>& change) {
    SmallLlama model;
    change(model);
    const std::string path = dir_.Write("model.gguf", model.Build());
    ExpectRefused(path, status, {path});
    ExpectRefused(path, status, parts);
  }
};

TEST_F(MalformedGgufModel, GG10_TheGoodOneLoads) {
  const Model model = LoadModel(dir_.Write("model.gguf", SmallLlama().Build()));
  const Session session = NewSession(0, model.get());
  Collector got;
  EXPECT_OK(inf_generate(session.get(), NewRequest({0, 1}, 5).get(), Collector::OnEvent, &got,
                         nullptr, &err));
  EXPECT_EQ(got.ids.size(), 5u);
}

TEST_F(MalformedGgufModel, GG10_Hyperparameters) {
  for (const uint32_t bad : {0u, 513u, 1'000'000'000u}) {
    ExpectBadModel(INF_E_FORMAT,
                   {fmt::format("key 'llama.block_count': is {}, expected integer 1..512", bad)},
                   [&](SmallLlama& model) { model.numbers["llama.block_count"] = bad; });
  }
  for (const char* key :
       {"llama.embedding_length", "llama.attention.head_count", "llama.attention.head_count_kv",
        "llama.feed_forward_length", "llama.context_length"}) {
    ExpectBadModel(INF_E_FORMAT, {fmt::format("key '{}': is 0, expected integer 1..", key)},
                   [&](SmallLlama& model) { model.numbers[key] = 0; });
    ExpectBadModel(INF_E_FORMAT, {fmt::format("key '{}': is '7', expected integer 1..", key)},
                   [&](SmallLlama& model) {
                     model.numbers.erase(key);
                     model.texts[key] = "7";
                   });
  }
  ExpectBadModel(INF_E_FORMAT, {"key 'general.architecture': is missing"},
                 [](SmallLlama& model) { model.texts.erase("general.architecture"); });
  ExpectBadModel(INF_E_FORMAT, {"key 'general.architecture': is 7, expected a string"},
                 [](SmallLlama& model) {
                   model.texts.erase("general.architecture");
                   model.numbers["general.architecture"] = 7;
                 });
  ExpectBadModel(
      INF_E_UNSUPPORTED, {"key 'general.architecture': is 'xxx", "...', expected one of"},
      [](SmallLlama& model) { model.texts["general.architecture"] = std::string(1 << 20, 'x'); });
}

TEST_F(MalformedGgufModel, GG10_ListsOfTheVocabularyMustMatch) {
  ExpectBadModel(INF_E_FORMAT, {"tokenizer.ggml.token_type"},
                 [](SmallLlama& model) { model.types.pop_back(); });
  ExpectBadModel(INF_E_FORMAT, {"tokenizer.ggml.token_type"},
                 [](SmallLlama& model) { model.types[2] = 77; });
}

TEST_F(MalformedGgufModel, GG10_SplitKeysThatLie) {
  ExpectBadModel(
      INF_E_FORMAT,
      {"key 'split.count': is 2, expected a file name that ends in -NNNNN-of-00002.gguf"},
      [](SmallLlama& model) { model.numbers["split.count"] = 2; });
  SmallLlama first;
  first.numbers["split.count"] = 2;
  first.numbers["split.no"] = 0;
  first.numbers["split.tensors.count"] = 11;
  const std::string path = dir_.Write("m-00001-of-00002.gguf", first.Build());
  ExpectRefused(path, INF_E_NOT_FOUND, {dir_.Path("m-00002-of-00002.gguf"), "cannot open"});
  const auto second = [](uint16_t number) {
    return W().Scalar("split.no", W::kU16, number).Scalar("split.count", W::kU16, uint16_t{2});
  };
  dir_.Write("m-00002-of-00002.gguf", second(0).Build());
  ExpectRefused(path, INF_E_FORMAT,
                {dir_.Path("m-00002-of-00002.gguf"), "key 'split.no': is 0, expected 1"});
  dir_.Write("m-00002-of-00002.gguf", second(1).Tensor("x", W::kTensorI8, {1}, "x").Build());
  ExpectRefused(path, INF_E_FORMAT,
                {path, "key 'split.tensors.count': is 11, expected 12, what the 2 parts hold"});
  ExpectRefused(dir_.Path("m-00002-of-00002.gguf"), INF_E_ARG,
                {"is part 2 of 2, open the first: " + path});
  dir_.Write("m-00002-of-00002.gguf", second(1).Build());
  LoadModel(path);
}

TEST_F(MalformedGgufModel, GG11_ScalesThatAreNotNumbers) {
  for (const uint16_t bits : {0x7C00, 0xFC00, 0x7E00}) {
    ExpectBadModel(INF_E_NUMERIC,
                   {"tensor blk.0.ffn_down.weight: row 31", fmt::format("0x{:04x}", bits)},
                   [&](SmallLlama& model) { model.scale = bits; });
  }
}

}  // namespace
}  // namespace inference::capi_test
