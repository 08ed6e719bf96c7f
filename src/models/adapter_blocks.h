// An adapter on the device: what each block of a decoder adds.
#pragma once

#include <functional>
#include <vector>

#include "models/adapter_file.h"
#include "nn/lora.h"

namespace inference {

// Whether a block's gate and up alternate in one matrix (GatedMlp::gate_up_proj).
using GateUpAlternates = std::function<bool(int64_t layer)>;

// Bytes that UploadAdapter will allocate.
uint64_t AdapterBytes(const AdapterFile& file, const ModelDims& dims);

// One a layer of the base that `file` was read for. NUMERIC where a value times its scale is not
// finite. Not on the submission thread.
std::vector<BlockLora> UploadAdapter(Device& device, const AdapterFile& file, const ModelDims& dims,
                                     const GateUpAlternates& alternates);

}  // namespace inference
