// Tensors that are missing, of the wrong shape or type, or not expected: by message.
#include <gtest/gtest.h>

#include "models/gguf_parts.h"
#include "support/expect_error.h"
#include "support/temp_dir.h"
#include "support/test_device.h"

namespace inference {
namespace {

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";

void ExpectWeightError(Status status, const std::string& message,
                       const std::function<void(GgufParts&)>& change) {
  GgufParts parts = ConvertFolder(OpenCheckpoint(kTiny + "llama-gqa/model"), "llama");
  change(parts);
  const TempDir folder;
  const std::string path = folder.Write("model.gguf", parts.Build());
  ExpectError(status, {path + ": tensor " + message},
              [&] { LoadModel(OpenCheckpoint(path), TestDevice(), {}); });
}

GgufParts::Part Zeros(uint32_t type, std::vector<uint64_t> shape, size_t bytes) {
  return {type, std::move(shape), std::string(bytes, '\0')};
}

TEST(Weights, Missing) {
  ExpectWeightError(Status::kFormat, "token_embd.weight: is missing",
                    [](GgufParts& parts) { parts.tensors.erase("token_embd.weight"); });
  ExpectWeightError(Status::kFormat, "blk.1.attn_k.weight: is missing, expected shape [64, 128]",
                    [](GgufParts& parts) { parts.tensors.erase("blk.1.attn_k.weight"); });
  ExpectWeightError(Status::kFormat, "output_norm.weight: is missing, expected shape [128]",
                    [](GgufParts& parts) { parts.tensors.erase("output_norm.weight"); });

  Checkpoint folder = OpenCheckpoint(kTiny + "llama-rope-llama3/model");
  folder.config["tie_word_embeddings"] = false;
  ExpectError(Status::kFormat,
              {folder.path + ": tensor lm_head.weight: is missing, expected shape [512, 64] as "
                             "tie_word_embeddings is false"},
              [&] { LoadModel(folder, TestDevice(), {}); });
  folder.config.erase("tie_word_embeddings");
  EXPECT_NO_THROW(LoadModel(folder, TestDevice(), {}));
}

TEST(Weights, WrongShape) {
  ExpectWeightError(Status::kFormat, "blk.0.ffn_norm.weight: shape is [127], expected [128]",
                    [](GgufParts& parts) {
                      parts.tensors["blk.0.ffn_norm.weight"] =
                          Zeros(GgufWriter::kTensorF32, {127}, 127 * 4);
                    });
  ExpectWeightError(Status::kFormat,
                    "blk.2.ffn_down.weight: shape is [96, 128], expected [128, 96]",
                    [](GgufParts& parts) {
                      parts.tensors["blk.2.ffn_down.weight"] =
                          Zeros(GgufWriter::kTensorF16, {96, 128}, 96 * 128 * 2);
                    });
  ExpectWeightError(Status::kFormat, "token_embd.weight: expected a table of 1..4194304 rows",
                    [](GgufParts& parts) {
                      parts.tensors["token_embd.weight"] =
                          Zeros(GgufWriter::kTensorF32, {512}, 512 * 4);
                    });
  ExpectWeightError(Status::kFormat,
                    "blk.0.attn_q.weight: shape is [128, 128], expected [256, 128]",
                    [](GgufParts& parts) { parts.keys["llama.attention.head_count"] = 8u; });
}

TEST(Weights, WrongType) {
  ExpectWeightError(
      Status::kUnsupported, "output_norm.weight: type is Q8_0, expected F32, F16 or BF16",
      [](GgufParts& parts) {
        parts.tensors["output_norm.weight"] = Zeros(GgufWriter::kTensorQ8_0, {128}, 4 * 34);
      });
  ExpectWeightError(Status::kUnsupported,
                    "blk.0.attn_v.weight: type is F64, expected F32, F16, BF16 or a block type",
                    [](GgufParts& parts) {
                      parts.tensors["blk.0.attn_v.weight"] =
                          Zeros(GgufWriter::kTensorF64, {64, 128}, 64 * 128 * 8);
                    });
}

TEST(Weights, FactorsOfFrequenciesArePositive) {
  GgufParts parts = ConvertFolder(OpenCheckpoint(kTiny + "llama-gqa/model"), "llama");
  parts.tensors["rope_freqs.weight"] = {
      GgufWriter::kTensorF32, {16}, FloatBytes(std::vector<float>(16, 0.0f))};
  const TempDir folder;
  const std::string path = folder.Write("model.gguf", parts.Build());
  ExpectError(Status::kFormat,
              {path + ": tensor rope_freqs.weight: value 0 is 0, expected a positive number"},
              [&] { LoadModel(OpenCheckpoint(path), TestDevice(), {}); });
}

TEST(Weights, ABiasThatWouldBeIgnoredIsRefused) {
  ExpectWeightError(Status::kUnsupported, "blk.0.ffn_norm.bias: this architecture has no such bias",
                    [](GgufParts& parts) {
                      parts.tensors["blk.0.ffn_norm.bias"] =
                          Zeros(GgufWriter::kTensorF32, {128}, 128 * 4);
                    });
}

TEST(Weights, HalfPrecisionNormsAreRead) {
  GgufParts parts = ConvertFolder(OpenCheckpoint(kTiny + "llama-gqa/model"), "llama");
  parts.tensors["output_norm.weight"] = Zeros(GgufWriter::kTensorF16, {128}, 256);
  const TempDir folder;
  EXPECT_NO_THROW(
      LoadModel(OpenCheckpoint(folder.Write("model.gguf", parts.Build())), TestDevice(), {}));
}

TEST(Checkpoints, ThatCannotBeOpened) {
  const TempDir folder;
  ExpectError(Status::kNotFound, {folder.path() + "/absent"},
              [&] { OpenCheckpoint(folder.Path("absent")); });
  ExpectError(Status::kNotFound, {folder.path() + "/config.json"},
              [&] { OpenCheckpoint(folder.path()); });
  folder.Write("config.json", "[]");
  ExpectError(Status::kNotFound, {folder.path()}, [&] { OpenCheckpoint(folder.path()); });
  folder.WriteSparse("config.json", "{", 50 << 20);
  ExpectError(Status::kLimit, {folder.path() + "/config.json"},
              [&] { OpenCheckpoint(folder.path()); });
  ExpectError(Status::kFormat, {folder.path() + "/text: magic"},
              [&] { OpenCheckpoint(folder.Write("text", "This is no model at all.")); });
}

}  // namespace
}  // namespace inference
