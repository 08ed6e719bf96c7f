// What a session holds, as bytes: to go on later, in another session or process.
//
//   "inf-sess", uint32 version, uint32 bytes of the header
//   header  JSON: what the rest depends on (SessionHeader)
//   ids     int32 [tokens]
//   pages   of each group, from its first block on (KvCache::ReadPage); positions past the end are
//   0 digest  BLAKE2b-256 of all before it, in hex
//
// Numbers are little-endian, as the pages are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/session_header.h"
#include "util/file.h"

namespace inference {

// What a session holds, while it does not change.
class SavedSession {
 public:
  explicit SavedSession(const Session& session);
  uint64_t bytes() const { return bytes_; }  // that WriteTo gives
  // NUMERIC where keys or values are not finite.
  void WriteTo(const ByteSink& sink) const;

 private:
  const Session& session_;
  const SessionHeader header_;
  const std::string header_text_;
  const uint64_t bytes_;
};

struct SessionSource {
  std::string name;  // begins every message
  uint64_t bytes = 0;
  std::function<void(uint64_t offset, std::span<std::byte>)> read;
};

// The session then holds what was saved, whatever it held before. MISMATCH where the bytes are
// damaged, or are of another model, tokenizer, set of adapters, or of options that keys and values
// depend on, or do not fit: the session is as it was. So it is after OOM_DEVICE and errors of
// `read`. Nothing else is told of keys and values: whoever can write the bytes decides what the
// session says.
void LoadSession(Session& session, const SessionSource& source);

}  // namespace inference
