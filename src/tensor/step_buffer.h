// What changes from step to step, in one small device buffer of int32 that kernels read
// (cl/step.cl). A step computes tokens of one or several rows: the next tokens of as many
// sequences.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "device/device.h"

namespace inference {

constexpr int64_t kTileTokens = 8;  // of one row, that attention takes together

// The pages of a row's keys and values, from that of position first_block * 64 on, in one of the
// groups of layers that share a page table (nn/kv_cache.h).
struct PageTable {
  int64_t first_block = 0;
  std::span<const int32_t> pages;
};

struct StepRow {
  int64_t position = 0;           // of the first id
  std::span<const int32_t> ids;   // the caller has checked their range: kernels index with them
  int64_t outputs = 0;            // hidden states are wanted of the last so many ids
  std::vector<PageTable> tables;  // by group
};

// What recordings depend on: steps of one shape share one.
struct StepShape {
  int64_t tokens = 0;   // T, of all rows
  int64_t singles = 0;  // rows of one token: attention splits them over blocks of positions
  int64_t tiles = 0;    // of up to kTileTokens tokens, of the other rows
  int64_t outputs = 0;  // M
  int64_t blocks = 0;   // a single sees at most so many blocks of 64 positions
  bool operator==(const StepShape&) const = default;
};
StepShape ShapeOf(std::span<const StepRow> rows);

// A step as ops see it.
struct Step {
  Buffer buffer;
  StepShape shape;
};

class StepBuffer {
 public:
  explicit StepBuffer(Device& device);
  // Makes room for the rows. Returns true where the buffer moved: recordings that name the old one
  // are stale. Submission thread only, as all of it.
  bool Reserve(Device& device, std::span<const StepRow> rows);
  void Set(Device& device, std::span<const StepRow> rows);
  // What ops are recorded with.
  Step step(const StepShape& shape) const { return {buffer_, shape}; }

 private:
  Buffer buffer_;
};

}  // namespace inference
