// Results of calls on many items, of which each may fail alone.
#pragma once

#include <optional>

#include "util/error.h"

namespace inference {

template <typename Value>
struct ItemResult {
  Value value;                 // where there is no error
  std::optional<Error> error;  // ARG, CONTEXT_FULL or NUMERIC: of this item
};

// Runs `check` and returns the error that it throws, if it is one of an item: CANCELLED or a
// failure of the device goes through.
template <typename Check>
std::optional<Error> ItemError(const Check& check) {
  try {
    check();
  } catch (const Error& error) {
    const Status status = error.status();
    if (status != Status::kArg && status != Status::kContextFull && status != Status::kNumeric) {
      throw;
    }
    return error;
  }
  return std::nullopt;
}

}  // namespace inference
