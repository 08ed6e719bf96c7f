#include "token_lines.h"

#include <cmath>

namespace inference::tools {
namespace {

// True where `bytes` end within a code point, or are the rest of one: its text comes with a later
// event.
bool LeavesCodePointOpen(std::string_view bytes) {
  for (size_t back = 1; back <= 4 && back <= bytes.size(); ++back) {
    const auto byte = static_cast<unsigned char>(bytes[bytes.size() - back]);
    if (byte < 0x80) return false;
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 0;
    if (length > 0) return length > back;
  }
  return true;
}

}  // namespace

Json LogprobsJson(const inf_event& event) {
  Json out = Json::array();
  for (uint64_t i = 0; i < event.ids_len; ++i) {
    out.push_back(std::isnan(event.logprobs[i]) ? Json() : Json(event.logprobs[i]));
  }
  return out;
}

Json IdsJson(const inf_event& event) {
  return std::vector<inf_token>(event.ids, event.ids + event.ids_len);
}

void TokenLines::Add(const inf_event& event) {
  std::string text(event.text, event.text_len);
  if (event.token < 0) {
    if (!waiting_) waiting_ = Json{{"token", ""}, {"token_id", event.token}};
    (*waiting_)["token"] = (*waiting_)["token"].get<std::string>() + text;
    Flush();
    return;
  }
  Flush();
  const bool open = text.empty() || options_.has_stops || LeavesOpen(event.token);
  waiting_ = Json{{"token", std::move(text)}, {"token_id", event.token}};
  if (options_.has_logprobs) {
    (*waiting_)["logprob"] = event.logprob;
    (*waiting_)["top_ids"] = IdsJson(event);
    (*waiting_)["top_logprobs"] = LogprobsJson(event);
  }
  if (!open) Flush();
}

void TokenLines::Flush() {
  if (waiting_) print_(*waiting_);
  waiting_.reset();
}

bool TokenLines::LeavesOpen(inf_token id) {
  // A model may have more rows than its tokenizer has tokens: such an id has no text.
  if (static_cast<uint32_t>(id) >= inf_vocab_size(tokenizer_.get())) return false;
  Call(inf_token_bytes, tokenizer_.get(), id, bytes_.out());
  return LeavesCodePointOpen(bytes_.view());
}

}  // namespace inference::tools
