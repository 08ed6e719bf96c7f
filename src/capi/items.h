// Lists of texts that go into a call, and lists of results that come out.
#pragma once

#include "capi/objects.h"
#include "engine/classify.h"
#include "engine/diff.h"

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

struct DiffItem {
  Diff diff;
  std::vector<int32_t> ids;  // of the text
  bool last_only = false;
};

using Vector = std::vector<float>;

struct ItemsObject {
  size_t vocab_size = 0;
  std::variant<std::vector<ItemResult<ScoredItem>>, std::vector<ItemResult<NextTokens>>,
               std::vector<ItemResult<ClassItem>>, std::vector<ItemResult<Vector>>,
               std::vector<ItemResult<DiffItem>>>
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

using Spans = std::vector<std::span<const int32_t>>;

// Of each input, texts as tokens of the model.
std::vector<std::vector<int32_t>> AllIds(const Model& model, const InputsObject& inputs,
                                         const CancelFlag* cancel);

// What a request runs under; the base where it is null or says nothing of it. Busy for a moment.
AdapterSet AdaptersOf(const inf_request* request, const char* name);

template <typename Value>
inf_items* NewItems(const Model& model, std::vector<ItemResult<Value>> results) {
  auto object = std::make_shared<ItemsObject>();
  object->vocab_size = static_cast<size_t>(model.network().dims().vocab_size);
  object->results = std::move(results);
  return NewHandle<inf_items>(std::move(object));
}

// Item `index` of the kind that `what` names; throws its error where it failed.
template <typename Value>
const Value& ItemAt(const ItemsObject& items, uint64_t index, const char* what) {
  const auto* results = std::get_if<std::vector<ItemResult<Value>>>(&items.results);
  Require(results != nullptr, Status::kArg, "items: are no {}", what);
  Require(index < results->size(), Status::kArg, "index: is {}, there are {} items", index,
          results->size());
  const ItemResult<Value>& item = (*results)[static_cast<size_t>(index)];
  if (item.error) throw Error(*item.error);
  return item.value;
}

}  // namespace inference::capi
