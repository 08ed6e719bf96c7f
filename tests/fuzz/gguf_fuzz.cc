// GGUF files from anywhere: opening one ends with keys and with tensors that lie in the file, or
// with an Error; so does everything that is read from the keys.
#include <vector>

#include "formats/finite.h"
#include "fuzz/input_file.h"
#include "models/checkpoint.h"
#include "models/describe.h"
#include "util/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inference;
  const InputFile file(data, size);
  try {
    const Checkpoint checkpoint = OpenCheckpoint(file.path());
    uint64_t total = 0;
    for (const TensorEntry& entry : checkpoint.tensors.entries()) {
      std::vector<std::byte> bytes(entry.bytes);
      checkpoint.tensors.Read(entry, 0, bytes);
      total += entry.bytes;
    }
    if (total > size) __builtin_trap();
    CheckFinite(checkpoint.tensors, nullptr);
    DescribeModel(checkpoint);
  } catch (const Error&) {
  }
  return 0;
}
