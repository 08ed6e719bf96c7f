// Names of what saved sessions depend on: the same for the same content.
#pragma once

#include <span>
#include <string>

#include "device/device.h"
#include "nn/causal_lm.h"
#include "tokenizer/tokenizer.h"

namespace inference {

// Reads all the weights, on several threads. Not on the submission thread.
std::string Fingerprint(Device& device, std::string_view config,
                        std::span<const WeightBytes> weights);

// Of its vocabulary: which text each id stands for.
std::string Fingerprint(const Tokenizer& tokenizer);

}  // namespace inference
