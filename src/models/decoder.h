// The network that every architecture here configures: embedding, blocks, norm, head.
#pragma once

#include <memory>

#include "models/decoder_config.h"
#include "models/tensor_names.h"
#include "models/weight_loader.h"

namespace inference {

// FORMAT or UNSUPPORTED name the tensor that is missing or does not fit.
std::unique_ptr<CausalLm> LoadDecoder(DecoderConfig config, const TensorNames& names,
                                      WeightLoader& loader);

}  // namespace inference
