#include "models/merge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "models/describe.h"
#include "models/model_parts.h"
#include "support/expect_error.h"

namespace inference {
namespace {

const std::string kTiny = INFERENCE_TEST_DATA "/golden/tiny/";

TEST(MergeAdapter, AddsToTheWeightsAndKeepsTheRest) {
  for (const char* model : {"llama-gqa", "gemma3-text", "qwen3-qknorm"}) {
    const std::string from = kTiny + model + "/model", adapter = kTiny + model + "/adapter-peft";
    const TempDir folder;
    const std::string out = folder.Path("merged");
    uint64_t last = 0, all = 0;
    MergeAdapter(from, adapter, out,
                 {.scale = 0.5f, .progress = [&](uint64_t done, uint64_t total) {
                    EXPECT_GT(done, last);
                    last = done;
                    all = total;
                  }});
    EXPECT_EQ(last, all);
    const Parts base = Parts::Read(from), got = Parts::Read(out);
    const AdapterFile file = ReadAdapter(adapter, DescribeModel(OpenCheckpoint(from)).dims);
    const Parts want = Merged(base, file.modules, 0.5f);
    ASSERT_EQ(got.tensors.size(), base.tensors.size());
    EXPECT_EQ(got.config, base.config);
    size_t changed = 0;
    for (const auto& [name, part] : got.tensors) {
      const Parts::Part& before = base.tensors.at(name);
      EXPECT_EQ(part.dtype, before.dtype) << name;
      EXPECT_EQ(part.shape, before.shape) << name;
      const bool is_adapted = name.find("q_proj") != name.npos || name.find("v_proj") != name.npos;
      EXPECT_EQ(part.bytes == before.bytes, !is_adapted || !name.ends_with(".weight")) << name;
      changed += part.bytes != before.bytes;
      std::vector<float> values(part.bytes.size() / InfoOf(part.dtype).block_bytes);
      std::vector<float> sums(values.size());
      ToFloats(part.dtype, std::as_bytes(std::span(part.bytes)), values);
      std::memcpy(sums.data(), want.tensors.at(name).bytes.data(), 4 * sums.size());
      for (size_t i = 0; i < values.size(); ++i) {  // rounded once to 8 bits, or to 24
        ASSERT_NEAR(values[i], sums[i], std::abs(sums[i]) / 256.0f + 1e-7f) << name << i;
      }
    }
    EXPECT_EQ(changed, file.modules.size());
    EXPECT_TRUE(std::filesystem::exists(out + "/tokenizer.json"));
  }
}

TEST(MergeAdapter, WhatFailsLeavesNothing) {
  const TempDir folder;
  const std::string out = folder.Path("merged"), tiny = kTiny + "llama-gqa";
  const auto fails = [&](Status status, std::string_view part, const std::string& model,
                         const std::string& adapter, const MergeOptions& options = {}) {
    ExpectError(status, {part}, [&] { MergeAdapter(model, adapter, out, options); });
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  };
  const std::string model = tiny + "/model", adapter = tiny + "/adapter-peft";
  fails(Status::kUnsupported, "quantization: is present", tiny + "/model-mlx-4bit", adapter);
  fails(Status::kNotFound, "nowhere", model, "/nowhere");
  fails(Status::kFormat, "adapter_model.safetensors", model, kTiny + "gemma3-text/adapter-peft");
  fails(Status::kArg, "scale: is nan", model, adapter, {.scale = NAN});
  const TempDir without_config;
  std::filesystem::copy_file(adapter + "/adapter_model.safetensors",
                             without_config.Path("adapter_model.safetensors"));
  fails(Status::kNumeric, "with the adapter is not finite", model, without_config.path(),
        {.scale = 3e38f, .adapter_scale = 3e38f});
  CancelFlag cancel;
  cancel.Trigger();
  fails(Status::kCancelled, "", model, adapter, {.cancel = &cancel});
}

}  // namespace
}  // namespace inference
