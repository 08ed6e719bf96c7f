#include "tokenizer/tokenizer_parts.h"

#include <algorithm>
#include <string_view>

namespace inference {

namespace {

// Names under which model families end a turn or a text.
constexpr std::string_view kEndNames[] = {"<eos>",
                                          "</s>",
                                          "<|endoftext|>",
                                          "<|end_of_text|>",
                                          "<|im_end|>",
                                          "<end_of_turn>",
                                          "<|eot_id|>",
                                          "<|eom_id|>",
                                          "<|end|>",
                                          "<|EOT|>",
                                          "<EOT>",
                                          "<|eot|>",
                                          "<|eom|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<|end_of_turn|>",
                                          "<end_of_text>",
                                          "<turn|>",
                                          "<end_of_utterance>",
                                          "<｜end▁of▁sentence｜>",
                                          "<|END_OF_TURN_TOKEN|>"};

}  // namespace

void AddTokens(const std::vector<AddedToken>& tokens, TokenizerParts& parts) {
  TextWork work;
  for (const AddedToken& token : tokens) {
    if (!token.normalized) {
      parts.raw_added.Add(token, parts.vocabulary->name());
      continue;
    }
    AddedToken changed = token;
    changed.content = parts.normalizer.Apply(token.content, work);
    work.Keep(changed.content.size());
    if (!changed.content.empty()) parts.normalized_added.Add(changed, parts.vocabulary->name());
  }
}

void FinishEndIds(TokenizerParts& parts) {
  std::vector<int32_t>& ids = parts.end_ids;
  if (parts.eos) ids.push_back(*parts.eos);
  for (const std::string_view name : kEndNames) {
    const std::optional<int32_t> id = parts.vocabulary->Find(name);
    if (id && parts.special[static_cast<size_t>(*id)]) ids.push_back(*id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
}

}  // namespace inference
