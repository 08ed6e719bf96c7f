// One file of a GGUF model. Used inside src/formats only.
#pragma once

#include "formats/gguf.h"

namespace inference {

// Adds the tensors of `file`, each checked, to `set`; returns the file's own keys.
GgufMetadata AddGgufFile(File file, TensorSet* set);

}  // namespace inference
