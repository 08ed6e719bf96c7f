// What op_bench measures: an op or a few, with shapes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/recording.h"

namespace inference {

struct OpCase {
  std::string name, note;  // the note says which op stands for the case, where its name does not
  // Records the case; what it returns must outlive the recording. On the submission thread.
  std::function<std::shared_ptr<void>(Recording&)> record;
  int64_t position = 0;  // of the first new token
};

// A product with a weight of every type: of one row (memory) and of 252 (arithmetic).
std::vector<OpCase> ProductCases();

// Shapes of the parts of a language model, from 128 x 128 to a vocabulary of 128,000. Ops that
// exist only fused to others are measured so.
std::vector<OpCase> ModelPartCases();

}  // namespace inference
