// config.json from anywhere, beside the weights of small models: what would be loaded is described,
// or an Error says what is wrong. The first byte chooses the weights.
#include <array>
#include <string_view>

#include "models/checkpoint.h"
#include "models/describe.h"
#include "util/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inference;
  static std::array<Checkpoint, 4> checkpoints = {
      OpenCheckpoint(INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/model"),
      OpenCheckpoint(INFERENCE_TEST_DATA "/golden/tiny/gemma3-text/model"),
      OpenCheckpoint(INFERENCE_TEST_DATA "/golden/tiny/llama-rope-llama3/model"),
      OpenCheckpoint(INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/model-mlx-4bit")};
  if (size == 0) return 0;
  Checkpoint& checkpoint = checkpoints[data[0] % checkpoints.size()];
  try {
    checkpoint.config =
        ParseJson({reinterpret_cast<const char*>(data) + 1, size - 1}, "config.json");
    ReadConfig(checkpoint);
    DescribeModel(checkpoint);
  } catch (const Error&) {
  }
  return 0;
}
