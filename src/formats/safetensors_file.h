// The parts of reading a safetensors file. Used inside src/formats only.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/tensor_set.h"

namespace inference {

// Adds the tensors that `header` lists to `set`, each checked against its type, its shape and the
// data bytes of the file, which begin at `data_start`; whether they overlap is not checked.
void ReadSafetensorsHeader(std::string_view header, uint64_t data_start, uint32_t file,
                           TensorSet* set);

// Adds a whole file: its tensors are all checked, and fill its data bytes exactly.
void AddSafetensorsFile(File file, TensorSet* set);

}  // namespace inference
