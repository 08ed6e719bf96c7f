// safetensors files from anywhere: opening one ends with tensors that lie in the file, all of which
// can be read, or with an Error.
#include <vector>

#include "formats/finite.h"
#include "formats/safetensors.h"
#include "fuzz/input_file.h"
#include "util/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace inference;
  const InputFile file(data, size);
  try {
    const TensorSet set = OpenSafetensors(file.path());
    uint64_t total = 0;
    for (const TensorEntry& entry : set.entries()) {
      std::vector<std::byte> bytes(entry.bytes);
      set.Read(entry, 0, bytes);
      total += entry.bytes;
      if (set.Find(entry.name) != &entry) __builtin_trap();
    }
    if (total > size) __builtin_trap();
    CheckFinite(set, nullptr);
  } catch (const Error&) {
  }
  return 0;
}
