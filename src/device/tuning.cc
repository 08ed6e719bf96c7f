#include "device/tuning.h"

#include <fmt/format.h>

namespace inference {

namespace {

// Of cl/matmul_group.cl and cl/matvec_group.cl.
constexpr int32_t kItemRows = 8;
constexpr int32_t kLaneRows = 16;
constexpr int32_t kEachGroup = 64;
constexpr uint64_t kUnit = 32;          // columns
constexpr uint64_t kPreparedRows = 36;  // PREPARED_ROWS: of a unit of the input
constexpr uint64_t kScaleRows = 4;      // d and m of two blocks a unit
constexpr uint64_t kTermValues = 6;     // of a lane: d, sum and m of two blocks

bool IsOneOf(int32_t value, std::initializer_list<int32_t> values) {
  for (const int32_t v : values) {
    if (v == value) return true;
  }
  return false;
}

}  // namespace

std::string_view MatmulKernelName(MatmulKernel kernel) {
  switch (kernel) {
    case MatmulKernel::kEach:
      return "matmul_each";
    case MatmulKernel::kLanes:
      return "matvec_group";
    case MatmulKernel::kTiles:
      return "matmul_group";
  }
  return "unknown";
}

int32_t MatmulChoice::group() const {
  switch (kernel) {
    case MatmulKernel::kEach:
      return kEachGroup;
    case MatmulKernel::kLanes:
      return kLaneRows * lanes;
    case MatmulKernel::kTiles:
      return rows / kItemRows * (tokens / item_tokens);
  }
  return 0;
}

uint64_t MatmulChoice::local_bytes() const {
  const auto n = [](int32_t value) { return static_cast<uint64_t>(value); };
  switch (kernel) {
    case MatmulKernel::kEach:
      return 0;
    case MatmulKernel::kLanes:
      return n(lanes) * (kTermValues * n(kLaneRows) + kPreparedRows) * sizeof(float);
    case MatmulKernel::kTiles:
      return (n(rows) * (kUnit + kScaleRows) + n(tokens) * kPreparedRows) * sizeof(float);
  }
  return 0;
}

bool MatmulChoice::IsValid(bool blocks) const {
  switch (kernel) {
    case MatmulKernel::kEach:
      return lanes == 0 && rows == 0 && tokens == 0 && item_tokens == 0;
    case MatmulKernel::kLanes:
      return blocks && IsOneOf(lanes, {2, 4, 8, 16}) && rows == 0 && tokens == 0 &&
             item_tokens == 0;
    case MatmulKernel::kTiles:
      return lanes == 0 && IsOneOf(rows, {32, 64, 128}) && IsOneOf(tokens, {8, 16, 32, 64, 128}) &&
             IsOneOf(item_tokens, {2, 4, 8}) && item_tokens <= tokens;
  }
  return false;
}

bool MatmulChoice::FitsDevice(const DeviceInfo& info) const {
  return static_cast<uint64_t>(group()) <= info.max_group_size &&
         local_bytes() <= info.local_memory_bytes;
}

std::string NameOf(const MatmulChoice& choice) {
  const std::string_view kernel = MatmulKernelName(choice.kernel);
  switch (choice.kernel) {
    case MatmulKernel::kEach:
      break;
    case MatmulKernel::kLanes:
      return fmt::format("{} {} lanes", kernel, choice.lanes);
    case MatmulKernel::kTiles:
      return fmt::format("{} {}x{}, {} tokens an item", kernel, choice.rows, choice.tokens,
                         choice.item_tokens);
  }
  return std::string(kernel);
}

MatmulChoice DefaultMatmul(bool blocks, int64_t tokens) {
  if (tokens <= 4) {
    return blocks ? MatmulChoice{.kernel = MatmulKernel::kLanes, .lanes = 8} : MatmulChoice{};
  }
  const int32_t tile = tokens <= 16 ? 16 : tokens <= 32 ? 32 : 64;
  return {.kernel = MatmulKernel::kTiles, .rows = 64, .tokens = tile, .item_tokens = 4};
}

MatmulChoice Tuning::ForMatmul(const DeviceInfo& info, bool blocks, int64_t rows,
                               int64_t tokens) const {
  MatmulChoice choice = DefaultMatmul(blocks, tokens);
  for (const MatmulRule& rule : matmul) {
    if (rule.blocks == blocks && rows <= rule.rows_up_to && tokens <= rule.tokens_up_to) {
      choice = rule.choice;
      break;
    }
  }
  return choice.FitsDevice(info) ? choice : MatmulChoice{};
}

}  // namespace inference
