// What the keys and values of a saved session depend on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session.h"

namespace inference {

struct SessionHeader {
  int64_t tokens = 0;
  std::vector<int64_t> first_blocks;  // by group of the cache: the first that is saved
  int64_t blocks() const { return (tokens + kCacheBlock - 1) / kCacheBlock; }
  // What must agree, by the name of the field.
  std::vector<std::pair<std::string, std::string>> same;
};

SessionHeader HeaderOf(const Session& session);
std::string SessionHeaderText(const SessionHeader& header);

// MISMATCH, naming the field, where it is no header or not of such a session.
SessionHeader ParseSessionHeader(std::string_view text, const std::string& name,
                                 const Session& session);

}  // namespace inference
