// Which kernel products of the GPU family run with on the test device.
#pragma once

#include <vector>

#include "device/tuning.h"
#include "support/test_device.h"

namespace inference {

// The device with one kernel for all products, as long as this lives: those of types of blocks,
// and those of plain ones.
class WithMatmulChoice {
 public:
  explicit WithMatmulChoice(const MatmulChoice& choice) : WithMatmulChoice(choice, choice) {}
  WithMatmulChoice(const MatmulChoice& blocks, const MatmulChoice& plain) {
    constexpr int64_t kAny = 1 << 30;
    Set({.matmul = {{false, kAny, kAny, plain}, {true, kAny, kAny, blocks}}});
  }
  ~WithMatmulChoice() { Set({}); }
  WithMatmulChoice(const WithMatmulChoice&) = delete;
  WithMatmulChoice& operator=(const WithMatmulChoice&) = delete;

 private:
  static void Set(const Tuning& tuning) {
    TestDevice()->Run([&] { TestDevice()->SetTuning(tuning); });
  }
};

// One of each kernel. Tests take these where sizes do not matter: each is compiled but once.
constexpr MatmulChoice kEachChoice{};
constexpr MatmulChoice kLanesChoice{.kernel = MatmulKernel::kLanes, .lanes = 8};
constexpr MatmulChoice kTilesChoice{
    .kernel = MatmulKernel::kTiles, .rows = 64, .tokens = 16, .item_tokens = 4};

}  // namespace inference
