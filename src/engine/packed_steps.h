// Many short sequences through a network in steps of several rows: each step is as full as may be,
// nothing is padded, and what is done is dropped.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "engine/executor.h"

namespace inference {

struct PackedItem {
  std::span<const int32_t> ids;               // 1 or more, of the vocabulary
  int64_t outputs = 0;                        // results are wanted after the last so many ids
  const KvSequence* prefix = nullptr;         // what comes before the ids; null: nothing
  std::optional<KvSequence>* keep = nullptr;  // gets the sequence once it is computed
  std::span<const AdapterUse> adapters = {};
};

// Whose outputs a row of a step has: [first, first + row.outputs) of the item.
struct PackedOutputs {
  size_t item = 0;
  int64_t first = 0;
};

using PackedStep = std::function<void(Executor::Rows rows, std::span<const PackedOutputs> outputs)>;

// Calls `step` with rows that cover all ids of all items in order, at most max_outputs outputs and
// max_tokens ids a step (0: what the executor takes); it runs them in one of the executor's ways.
// Where the rows' keys and values do not fit in memory (OOM_DEVICE), goes on with fewer rows a
// step.
void RunPacked(Executor& executor, std::span<const PackedItem> items, int64_t max_outputs,
               const CancelFlag* cancel, const PackedStep& step, int64_t max_tokens = 0);

}  // namespace inference
