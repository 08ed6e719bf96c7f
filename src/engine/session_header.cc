#include "engine/session_header.h"

#include "engine/fingerprint.h"
#include "formats/json.h"

namespace inference {

namespace {

std::string DescribeGroups(const KvCache& cache) {
  std::string text;
  for (size_t g = 0; g < cache.groups(); ++g) {
    text += fmt::format("{}window {}: {} bytes a page", g == 0 ? "" : ", ", cache.window(g),
                        cache.page_bytes(g));
  }
  return text;
}

// As the option kv_type has it.
std::string KvTypeName(DType type) {
  return type == DType::kF32 ? "f32" : type == DType::kF16 ? "f16" : "q8";
}

// Fails with MISMATCH whatever is wrong with the text.
template <typename Work>
auto OrMismatch(const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.status() != Status::kFormat && error.status() != Status::kLimit) throw;
    throw Error(Status::kMismatch, error.what());
  }
}

}  // namespace

SessionHeader HeaderOf(const Session& session) {
  const Model& model = session.model();
  const KvSequence& sequence = session.sequence();
  const KvCache& cache = *sequence.cache();
  SessionHeader header;
  header.tokens = session.length();
  for (size_t g = 0; g < cache.groups(); ++g) header.first_blocks.push_back(sequence.FirstBlock(g));
  header.same = {
      {"model", model.fingerprint()},
      {"tokenizer", Fingerprint(*model.text()->tokenizer)},
      {"adapters", session.adapters().key()},
      {"kv_type", KvTypeName(model.kv_type())},
      {"activations", model.rounds_activations() ? "int8" : "f32"},
      {"context_length", fmt::format("{}", model.context_length())},  // tables of LongRoPE, windows
      {"pages", DescribeGroups(cache)},
  };
  return header;
}

std::string SessionHeaderText(const SessionHeader& header) {
  OrderedJson json;
  for (const auto& [key, value] : header.same) json[key] = value;
  json["tokens"] = header.tokens;
  json["first_blocks"] = header.first_blocks;
  return json.dump();
}

SessionHeader ParseSessionHeader(std::string_view text, const std::string& name,
                                 const Session& session) {
  const Json json = OrMismatch([&] { return ParseJson(text, name); });
  const JsonFields fields = OrMismatch([&] { return JsonFields(json, name); });
  SessionHeader header = HeaderOf(session);
  for (const auto& [key, wanted] : header.same) {
    const std::string found = OrMismatch([&] { return fields.GetString(key.c_str()); });
    Require(found == wanted, Status::kMismatch, "{}: {} is {}, want {}, as the session's", name,
            key, Quote(found), Quote(wanted));
  }
  header.tokens = OrMismatch([&] { return fields.GetInt("tokens", 0, kMaxCacheLength); });
  Require(header.tokens <= session.capacity(), Status::kMismatch,
          "{}: holds {} tokens, the session's capacity is {}", name, header.tokens,
          session.capacity());
  const Json* blocks = OrMismatch([&] { return fields.FindArray("first_blocks"); });
  const size_t groups = std::exchange(header.first_blocks, {}).size();
  Require(blocks != nullptr && blocks->size() == groups, Status::kMismatch,
          "{}: first_blocks: want an array of {}", name, groups);
  const KvCache& cache = *session.model().executor().cache();
  for (size_t g = 0; g < groups; ++g) {
    const Json& block = (*blocks)[g];
    const int64_t most = KvSequence::FirstNeeded(cache, g, header.tokens);
    Require(block.is_number_integer() && block >= 0 && block <= most, Status::kMismatch,
            "{}: first_blocks: of group {} is {}, want 0..{}", name, g, block.dump(), most);
    header.first_blocks.push_back(block.get<int64_t>());
  }
  return header;
}

}  // namespace inference
