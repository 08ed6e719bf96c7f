// Lists of texts that go into a call, and lists of results that come out.
#pragma once

#include "capi/objects.h"
#include "engine/classify.h"

namespace inference::capi {

using Input = std::variant<TextPrompt, std::vector<int32_t>>;

struct InputsObject : ExclusiveObject {
  std::vector<Input> list;
};

struct ScoredItem {
  Score score;
  std::vector<int32_t> ids;  // of the continuation
};

struct ClassItem {
  uint64_t tokens = 0;  // of the prompt
  int32_t token = kNoToken;
  int32_t label = -1;
  std::string text;           // of either
  std::vector<float> values;  // logits, or log-probabilities of the labels
};

using Vector = std::vector<float>;

struct ItemsObject {
  size_t vocab_size = 0;
  std::variant<std::vector<ItemResult<ScoredItem>>, std::vector<ItemResult<NextTokens>>,
               std::vector<ItemResult<ClassItem>>, std::vector<ItemResult<Vector>>>
      results;
};

template <>
struct HandleTraits<inf_inputs> {
  using Object = InputsObject;
  static constexpr HandleType kType = HandleType::kInputs;
  static constexpr const char* kName = "inf_inputs";
};
template <>
struct HandleTraits<inf_items> {
  using Object = ItemsObject;
  static constexpr HandleType kType = HandleType::kItems;
  static constexpr const char* kName = "inf_items";
};

}  // namespace inference::capi
