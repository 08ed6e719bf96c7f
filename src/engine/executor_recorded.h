// What an executor keeps of a step that it has recorded. Used by executor*.cc only.
#pragma once

#include <memory>

#include "engine/executor.h"
#include "tensor/recording.h"

namespace inference {

struct Executor::Recorded {
  StepShape shape;
  Form form;
  Adapters adapters;  // alive: they tell when they go
  std::unique_ptr<Recording> recording;
  Buffer logits;  // kLogits, kSample: [M, V]; kHidden: [M, D]
  Buffer scores;  // kScores: [M, kScoreFloats]; kDivergences: [M / 2, DivergenceFloats]
};

}  // namespace inference
