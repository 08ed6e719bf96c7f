// What a checkpoint would become, without loading it.
#pragma once

#include <vector>

#include "models/checkpoint.h"
#include "models/decoder_config.h"

namespace inference {

struct ModelDescription {
  ModelDims dims;
  std::vector<LayerCacheSpec> cache_specs;
  WeightStats weights;  // exactly what LoadModel would report
};

// Fails as LoadModel would for the same context_length, but for the values of matrices: none is
// read.
ModelDescription DescribeModel(const Checkpoint& checkpoint, int64_t context_length = 0);

// ARG where context_length is more than the model was made for.
DecoderConfig ReadConfig(const Checkpoint& checkpoint, int64_t context_length = 0);

}  // namespace inference
