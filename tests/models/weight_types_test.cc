// Every weight format against the tools that define it: the `gguf` package and MLX, by way of the
// rows that a table look-up gives (tests/data/ggml/make_types.py,
// tests/data/mlx/make_quantized.py).
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/stored_rows.h"
#include "ops/embedding.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"
#include "support/test_step.h"

namespace inference {
namespace {

const TensorEntry& Get(const TensorSet& tensors, const std::string& name) {
  const TensorEntry* entry = tensors.Find(name);
  if (entry == nullptr) throw std::runtime_error("no tensor " + name);
  return *entry;
}

std::vector<float> Floats(const TensorSet& tensors, const std::string& name) {
  const TensorEntry& entry = Get(tensors, name);
  std::vector<float> values(entry.bytes / sizeof(float));
  tensors.Read(entry, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

// All rows of a matrix, packed and looked up again.
std::vector<float> Values(const TensorSet& tensors, const StoredTensor& stored, int64_t columns) {
  const auto rows = static_cast<int64_t>(stored.values->shape[0]);
  const PackedMatrix W = PackMatrix(*TestDevice(), stored.format, rows, columns,
                                    GatherRows(tensors, {stored}, [](int64_t row) {
                                      return StoredRow{0, row};
                                    }));
  std::vector<int32_t> ids;
  for (int64_t row = 0; row < rows; ++row) ids.push_back(static_cast<int32_t>(row));
  std::vector<float> out;
  TestDevice()->Run([&] {
    StepBuffer buffer(*TestDevice());
    const Step step = SetStep(buffer, ids);
    Recording recording(TestDevice());
    const Tensor y = Embed(recording, W, step, 1.0f);
    recording.Run();
    out = Download(y.buffer, static_cast<size_t>(rows * columns));
  });
  return out;
}

// Equal but for the rounding of scale * code before a minimum is added: the kernels have fma.
void ExpectValues(const std::vector<float>& got, const std::vector<float>& want, bool exact,
                  const std::string& name) {
  ASSERT_EQ(got.size(), want.size()) << name;
  float largest = 0;
  for (const float w : want) largest = std::max(largest, std::abs(w));
  for (size_t i = 0; i < want.size(); ++i) {
    if (exact) {
      ASSERT_EQ(got[i], want[i]) << name << " " << i;
    } else {
      ASSERT_NEAR(got[i], want[i], 2e-7f * largest) << name << " " << i;
    }
  }
}

TEST(WeightTypes, OfGgufMeanWhatTheGgufPackageSays) {
  const TensorSet tensors = OpenGguf(INFERENCE_TEST_DATA "/ggml/types.gguf").tensors;
  int count = 0;
  for (const TensorEntry& entry : tensors.entries()) {
    if (entry.name.ends_with(".values")) continue;
    ASSERT_EQ(entry.name, InfoOf(entry.dtype).name);
    const std::vector<float> want = Floats(tensors, entry.name + ".values");
    const bool has_min = entry.name == "Q4_1" || entry.name == "Q5_1" || entry.name == "Q2_K" ||
                         entry.name == "Q4_K" || entry.name == "Q5_K";
    ExpectValues(Values(tensors, {entry.dtype, &entry}, 512), want, !has_min, entry.name);
    ++count;
  }
  EXPECT_EQ(count, 13);  // every block type there is
}

TEST(WeightTypes, OfMlxMeanWhatMlxSays) {
  const TensorSet tensors = OpenSafetensors(INFERENCE_TEST_DATA "/mlx/quantized.safetensors");
  int count = 0;
  for (const TensorEntry& words : tensors.entries()) {
    if (!words.name.ends_with(".weight")) continue;
    const std::string name = words.name.substr(0, words.name.rfind('.'));
    const TensorEntry& scales = Get(tensors, name + ".scales");
    StoredTensor stored{DType::kMXFP4, &words, &scales};
    int bits = 4, group = 32;
    if (std::sscanf(name.c_str(), "affine%d_g%d", &bits, &group) == 2) {
      stored.format = WeightFormat::Affine(bits, group, scales.dtype);
      stored.biases = &Get(tensors, name + ".biases");
    }
    ExpectValues(Values(tensors, stored, 256), Floats(tensors, name + ".values"),
                 !stored.format.is_affine(), name);
    ++count;
  }
  EXPECT_EQ(count, 6 * 3 * 3 + 1);
}

// A matrix of 16 rows of 64 columns whose last scale or bias, of `type`, is `bits`.
void ExpectScaleError(const std::string& type, const WeightFormat& format, uint32_t bits,
                      bool is_bias, const std::string& message) {
  const size_t size = InfoOf(format.is_affine() ? format.scales : DType::kU8).block_bytes;
  const size_t words = 16 * 32, scales = 16 * 2 * size;
  std::string data(words + 2 * scales, '\0');
  std::memcpy(&data[words + (is_bias ? 2 : 1) * scales - size], &bits, size);
  const std::string header =
      fmt::format(R"({{"m.weight":{{"dtype":"U32","shape":[16,8],"data_offsets":[0,{0}]}},)"
                  R"("m.scales":{{"dtype":"{2}","shape":[16,2],"data_offsets":[{0},{1}]}},)"
                  R"("m.biases":{{"dtype":"{2}","shape":[16,2],"data_offsets":[{1},{3}]}}}})",
                  words, words + scales, type, words + 2 * scales);
  const TempDir folder;
  const std::string path = folder.Write("m.safetensors", SafetensorsFile(header, data));
  const TensorSet tensors = OpenSafetensors(path);
  StoredTensor stored{format, &Get(tensors, "m.weight"), &Get(tensors, "m.scales")};
  if (format.is_affine()) stored.biases = &Get(tensors, "m.biases");
  ExpectError(Status::kNumeric, {path + ": tensor " + message},
              [&] { Values(tensors, stored, 64); });
}

TEST(WeightTypes, AScaleThatIsNotFiniteIsNamed) {
  const auto affine = [](DType scales) { return WeightFormat::Affine(4, 32, scales); };
  ExpectScaleError("F16", affine(DType::kF16), 0x7E00, false,
                   "m.scales: row 15: a scale or bias is 0x7e00, expected a finite float16");
  ExpectScaleError("BF16", affine(DType::kBF16), 0xFF80, true,
                   "m.biases: row 15: a scale or bias is 0xff80, expected a finite bfloat16");
  ExpectScaleError("F32", affine(DType::kF32), 0x7F800000, false,
                   "m.scales: row 15: a scale or bias is 0x7f800000, expected a finite float32");
  ExpectScaleError("U8", DType::kMXFP4, 0xFF, false,
                   "m.scales: row 15: a scale or bias is 0xff, expected an exponent below 255");
}

TEST(WeightTypes, AScaleOfABlockThatIsNotFiniteIsNamed) {
  const TensorSet good = OpenGguf(INFERENCE_TEST_DATA "/ggml/types.gguf").tensors;
  struct Case {
    const char* type;
    size_t offset;  // in a block
    std::string bytes, message;
  };
  const std::string nan("\x00\x7e", 2), expected = " is 0x7e00, expected a finite float16";
  for (const Case& c : {Case{"IQ4_NL", 0, nan, expected}, Case{"IQ4_XS", 0, nan, expected},
                        Case{"Q2_K", 80, nan, expected}, Case{"Q2_K", 82, nan, expected},
                        Case{"Q3_K", 108, nan, expected},
                        Case{"MXFP4", 0, "\xff", " is 0xff, expected an exponent below 255"}}) {
    const TensorEntry& entry = Get(good, c.type);
    std::string file = ReadTextFile(INFERENCE_TEST_DATA "/ggml/types.gguf", 1 << 20);
    const uint64_t row_bytes = entry.bytes / 3;
    const uint64_t at = entry.offset + 2 * row_bytes + InfoOf(entry.dtype).block_bytes + c.offset;
    file.replace(at, c.bytes.size(), c.bytes);
    const TempDir folder;
    const std::string path = folder.Write("types.gguf", file);
    const TensorSet tensors = OpenGguf(path).tensors;
    ExpectError(
        Status::kNumeric,
        {fmt::format("{}: tensor {}: row 2: the scale of a block{}", path, c.type, c.message)},
        [&] {
          Values(tensors, {entry.dtype, &Get(tensors, c.type)}, 512);
        });
  }
}

}  // namespace
}  // namespace inference
