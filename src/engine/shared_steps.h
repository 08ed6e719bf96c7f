// Texts that are computed to know what follows their last tokens, many in one pass: what they begin
// with alike is computed once.
#pragma once

#include <vector>

#include "engine/packed_steps.h"
#include "engine/session.h"

namespace inference {

struct SharedItem {
  std::vector<int32_t> ids;  // checked: of the vocabulary, and the session has room for them
  int64_t outputs = 1;       // 1 or more: results are wanted after the last so many ids
};

// Calls `step` as RunPacked does. Ids without an output with which all items begin go into the
// session, which holds nothing else afterwards; those that neighbours share beyond, into sequences
// that are dropped. Returns how many ids the session held already.
uint64_t RunShared(Session& session, std::span<const SharedItem> items, int64_t max_outputs,
                   const CancelFlag* cancel, const PackedStep& step);

}  // namespace inference
