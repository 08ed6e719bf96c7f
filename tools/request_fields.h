// Fields of a request that comes as JSON, checked: what is there has the right type, or the error
// says what was wanted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "json_io.h"

namespace inference::tools {

// ApiError (ARG) "NAME: is VALUE, want ..." for a value of another type.
std::string TextField(const Json& request, const std::string& name, const std::string& otherwise);
std::string NeededText(const Json& request, const std::string& name);  // also where it is missing
int64_t IntField(const Json& request, const std::string& name, int64_t otherwise);
// A list of strings; one string is a list of one; none is empty.
std::vector<std::string> TextsField(const Json& request, const std::string& name);

// max_tokens, temperature, top_k, top_p, min_p, repeat_penalty, seed, stop, stop_tokens, overflow
// with keep_head where they are given, in the place of the defaults.
SamplingOptions SamplingFields(const Json& request, SamplingOptions defaults);

// adapters: [{"path": DIR, "scale": X}], scale 1 where it is missing; or adapter: DIR, DIR:SCALE or
// a list of these. Empty is the base model, nullopt is neither.
std::optional<std::vector<AdapterChoice>> AdapterFields(const Json& request);

}  // namespace inference::tools
