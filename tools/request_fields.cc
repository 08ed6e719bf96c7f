#include "request_fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace inference::tools {
namespace {

[[noreturn]] void Refuse(const std::string& name, const Json& value, const char* wanted) {
  throw ApiError(INF_E_ARG, fmt::format("{}: is {}, want {}", name, Dump(value), wanted));
}

bool IsGiven(const Json& request, const std::string& name) {
  return request.contains(name) && !request[name].is_null();
}

float FloatField(const Json& request, const std::string& name, float otherwise) {
  if (!IsGiven(request, name)) return otherwise;
  if (!request[name].is_number()) Refuse(name, request[name], "a number");
  return request[name].get<float>();
}

uint64_t SeedField(const Json& request, uint64_t otherwise) {
  if (!IsGiven(request, "seed")) return otherwise;
  const Json& value = request["seed"];
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  const int64_t seed = IntField(request, "seed", 0);
  if (seed < 0) Refuse("seed", value, "a whole number from 0 to 2^64 - 1");
  return static_cast<uint64_t>(seed);
}

int32_t SmallField(const Json& request, const std::string& name, int64_t otherwise) {
  const int64_t value = IntField(request, name, otherwise);
  if (value < std::numeric_limits<int32_t>::min() || value > std::numeric_limits<int32_t>::max()) {
    Refuse(name, value, "a whole number of 32 bits");
  }
  return static_cast<int32_t>(value);
}

}  // namespace

std::string TextField(const Json& request, const std::string& name, const std::string& otherwise) {
  if (!IsGiven(request, name)) return otherwise;
  if (!request[name].is_string()) Refuse(name, request[name], "a string");
  return request[name].get<std::string>();
}

std::string NeededText(const Json& request, const std::string& name) {
  if (!IsGiven(request, name)) {
    throw ApiError(INF_E_ARG, fmt::format("{}: is missing, want a string", name));
  }
  return TextField(request, name, "");
}

// Clients of languages that have one kind of number write 5.0.
int64_t IntField(const Json& request, const std::string& name, int64_t otherwise) {
  if (!IsGiven(request, name)) return otherwise;
  const Json& value = request[name];
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{1} << 62) {
    Refuse(name, value, "a whole number below 2^62");
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) {
    const double number = value.get<double>();
    if (std::abs(number) <= 0x1p53 && number == std::trunc(number)) {
      return static_cast<int64_t>(number);
    }
  }
  Refuse(name, value, "a whole number");
}

std::vector<std::string> TextsField(const Json& request, const std::string& name) {
  std::vector<std::string> out;
  if (!IsGiven(request, name)) return out;
  const Json& value = request[name];
  if (value.is_string()) return {value.get<std::string>()};
  if (!value.is_array()) Refuse(name, value, "a string or a list of strings");
  for (const Json& text : value) {
    if (!text.is_string()) Refuse(name, text, "a string");
    out.push_back(text.get<std::string>());
  }
  return out;
}

namespace {

// overflow, as on the command line, or "keep-head" with the field keep_head, which may also stand
// alone.
std::string OverflowOf(const Json& request, const std::string& otherwise) {
  std::string overflow = TextField(request, "overflow", otherwise);
  if (!IsGiven(request, "keep_head")) return overflow;
  const int64_t head = IntField(request, "keep_head", 0);
  if (head < 1) Refuse("keep_head", request["keep_head"], "a whole number of 1 or more");
  if (IsGiven(request, "overflow") && overflow != "keep-head") {
    throw ApiError(INF_E_ARG,
                   fmt::format("keep_head: wants the overflow keep-head, this is {}", overflow));
  }
  return fmt::format("keep-head:{}", head);
}

}  // namespace

SamplingOptions SamplingFields(const Json& request, SamplingOptions defaults) {
  SamplingOptions out = std::move(defaults);
  out.max_tokens = SmallField(request, "max_tokens", out.max_tokens);
  out.temperature = FloatField(request, "temperature", out.temperature);
  out.top_k = SmallField(request, "top_k", out.top_k);
  out.top_p = FloatField(request, "top_p", out.top_p);
  out.min_p = FloatField(request, "min_p", out.min_p);
  out.repeat_penalty = FloatField(request, "repeat_penalty", out.repeat_penalty);
  out.seed = SeedField(request, out.seed);
  out.overflow = OverflowOf(request, out.overflow);
  for (std::string& stop : TextsField(request, "stop")) out.stops.push_back(std::move(stop));
  if (!IsGiven(request, "stop_tokens")) return out;
  const Json& ids = request["stop_tokens"];
  if (!ids.is_array()) Refuse("stop_tokens", ids, "a list of token ids");
  for (const Json& id : ids) {
    out.stop_tokens.push_back(SmallField(Json{{"stop_tokens", id}}, "stop_tokens", 0));
  }
  return out;
}

std::optional<std::vector<AdapterChoice>> AdapterFields(const Json& request) {
  std::vector<AdapterChoice> out;
  if (!IsGiven(request, "adapters")) {
    if (!IsGiven(request, "adapter")) return std::nullopt;
    for (const std::string& text : TextsField(request, "adapter")) {
      out.push_back(ParseAdapter(text));
    }
    return out;
  }
  constexpr const char* kWanted = "{\"path\", \"scale\"}";
  const Json& adapters = request["adapters"];
  if (!adapters.is_array()) Refuse("adapters", adapters, "a list of {\"path\", \"scale\"}");
  if (IsGiven(request, "adapter")) {
    throw ApiError(INF_E_ARG, "adapter: is given beside adapters, want one of the two");
  }
  for (const Json& adapter : adapters) {
    if (!adapter.is_object()) Refuse("adapters", adapter, kWanted);
    out.push_back({NeededText(adapter, "path"), FloatField(adapter, "scale", 1.0f)});
  }
  return out;
}

}  // namespace inference::tools
