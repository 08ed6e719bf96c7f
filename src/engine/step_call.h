// What a caller wants of one step of a network.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/adapter.h"
#include "nn/kv_sequence.h"
#include "ops/divergence.h"
#include "ops/sample.h"
#include "util/cancel.h"

namespace inference {

// The next tokens of a sequence: 1 or more ids of the vocabulary, for which it has the positions.
struct ExecutorRow {
  KvSequence* sequence = nullptr;
  std::span<const int32_t> ids;
  int64_t outputs = 0;  // results are wanted after the last so many ids
  // Of one AdapterSet. A row's results do not depend on what other rows have.
  std::span<const AdapterUse> adapters = {};
  int64_t ahead = 0;  // tokens of the sequence before these that are computed, but not committed
};

enum class StepMode { kPrefill, kLogits, kScores, kDivergences, kSample, kHidden };

struct StepCall {
  // Gets what is after output `first`, and so on: whole rows.
  struct Values {
    int64_t first = 0;
    std::span<float> values;
  };

  StepMode mode = StepMode::kPrefill;
  std::span<const ExecutorRow> rows;
  const CancelFlag* cancel = nullptr;
  int64_t layers = 0;                     // kHidden; otherwise all
  int64_t top = 0;                        // kDivergences: tokens that moved most
  std::vector<Values> logits = {};        // kLogits, kSample: of [M, V]; kHidden: states, [M, D]
  std::span<const int32_t> targets = {};  // kScores: [M]; kDivergences: [M / 2]
  std::vector<RowScore>* scores = nullptr;
  std::vector<RowDivergence>* divergences = nullptr;
  std::span<const SampleRow> samples = {};  // kSample: [M]
  std::vector<int32_t>* sampled = nullptr;
};

}  // namespace inference
