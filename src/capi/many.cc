// Calls on many texts.
#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/items.h"
#include "engine/embed.h"

using namespace inference;
using namespace inference::capi;

namespace {

static_assert(static_cast<uint32_t>(Pooling::kMean) == INF_POOL_MEAN);
static_assert(static_cast<uint32_t>(Pooling::kLast) == INF_POOL_LAST);
static_assert(static_cast<uint32_t>(Pooling::kFirst) == INF_POOL_FIRST);

using Ids = std::vector<int32_t>;

// Pairs of inputs as ids; one that cannot be made has its error.
class PairList {
 public:
  PairList(const Model& model, const CancelFlag* cancel)
      : tokenizer_(*model.text()->tokenizer), cancel_(cancel) {}

  void Add(const Input& context, const Input& continuation) {
    ItemResult<TextPair> pair;
    pair.error = ItemError([&] { pair.value = Join(context, continuation); });
    pairs_.push_back(std::move(pair));
  }
  const std::vector<ItemResult<TextPair>>& pairs() const { return pairs_; }
  std::vector<ScoreItem> items() const {
    std::vector<ScoreItem> out;
    for (const auto& pair : pairs_) out.push_back({pair.value.context, pair.value.continuation});
    return out;
  }

 private:
  TextPair Join(const Input& context, const Input& continuation) const {
    Require(context.index() == continuation.index(), Status::kArg,
            "pair: one is a text and the other tokens, want both the same");
    if (const auto* ids = std::get_if<Ids>(&context)) {
      return {*ids, std::get<Ids>(continuation)};
    }
    const auto& text = std::get<TextPrompt>(context);
    EncodeOptions options = text.options;
    options.cancel = cancel_;
    return SplitText(tokenizer_, text.text, std::get<TextPrompt>(continuation).text, options);
  }

  const Tokenizer& tokenizer_;
  const CancelFlag* const cancel_;
  std::vector<ItemResult<TextPair>> pairs_;
};

std::vector<ItemResult<ClassItem>> LabelClasses(const std::shared_ptr<Model>& model,
                                                const InputsObject& prompts,
                                                const InputsObject& labels,
                                                const AdapterSet& adapters,
                                                const CancelFlag* cancel) {
  Require(!labels.list.empty(), Status::kArg, "labels: are none, want 1 or NULL");
  PairList pairs(*model, cancel);
  for (const Input& prompt : prompts.list) {
    for (const Input& label : labels.list) pairs.Add(prompt, label);
  }
  const size_t n = labels.list.size();
  const auto scored = ClassifyLabels(model, pairs.items(), n, adapters, cancel);
  std::vector<ItemResult<ClassItem>> out(prompts.list.size());
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t l = 0; l < n && !out[i].error; ++l) out[i].error = pairs.pairs()[i * n + l].error;
    if (!out[i].error) out[i].error = scored[i].error;
    ClassItem& item = out[i].value;
    item.tokens = pairs.pairs()[i * n].value.context.size();
    item.label = static_cast<int32_t>(scored[i].value.best);
    if (const auto* text = std::get_if<TextPrompt>(&labels.list[scored[i].value.best])) {
      item.text = text->text;
    }
    for (const double logprob : scored[i].value.logprobs) {
      item.values.push_back(static_cast<float>(logprob));
    }
  }
  return out;
}

std::vector<ItemResult<ClassItem>> NextClasses(const std::shared_ptr<Model>& model,
                                               const InputsObject& prompts,
                                               const ClassifyOptions& options,
                                               const CancelFlag* cancel) {
  const std::vector<Ids> ids = AllIds(*model, prompts, cancel);
  auto results = Classify(model, Spans(ids.begin(), ids.end()), options, cancel);
  const Tokenizer& tokenizer = *model->text()->tokenizer;
  std::vector<ItemResult<ClassItem>> out(results.size());
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].error = results[i].error;
    ClassItem& item = out[i].value;
    item.tokens = ids[i].size();
    item.token = results[i].value.token;
    item.values = std::move(results[i].value.logits);
    if (!out[i].error && item.token < tokenizer.vocab_size()) {  // a model may have more rows
      item.text = tokenizer.Decode({&item.token, 1}, /*skip_special=*/false);
    }
  }
  return out;
}

EmbedOptions EmbedOptionsFrom(const inf_embed_options* options) {
  if (options == nullptr) return {};
  const auto given = InStruct(options, "options");
  FlagsArg(given.flags, INF_EMBED_RAW, "options: flags");
  Require(given.pooling <= INF_POOL_FIRST, Status::kArg, "options: pooling is {}, want INF_POOL_*",
          given.pooling);
  Require(given.layer <= INT32_MAX, Status::kArg, "options: layer is {}, want 0..2^31-1",
          given.layer);
  EmbedOptions out{.pooling = static_cast<Pooling>(given.pooling),
                   .normalize = (given.flags & INF_EMBED_RAW) == 0,
                   .adapters = AdaptersOf(given.request, "options: request")};
  if (given.layer > 0) out.layers = static_cast<int64_t>(given.layer) - 1;
  return out;
}

}  // namespace

extern "C" {

inf_status inf_score_many(inf_session* session, const inf_inputs* contexts,
                          const inf_inputs* continuations, inf_cancel* cancel, inf_items** out,
                          inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const Hold before = Acquire(contexts, "contexts");
    const Hold after = Acquire(continuations, "continuations");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireOut(out, "out");
    const size_t n = after->list.size();
    Require(before->list.size() == n || before->list.size() == 1, Status::kArg,
            "contexts: are {}, want 1 or as many as continuations, {}", before->list.size(), n);
    Session& of = *held->session;
    PairList pairs(of.model(), flag.get());
    for (size_t i = 0; i < n; ++i) {
      pairs.Add(before->list[before->list.size() == 1 ? 0 : i], after->list[i]);
    }
    auto scores = ScoreMany(of, pairs.items(), flag.get());
    std::vector<ItemResult<ScoredItem>> results(n);
    for (size_t i = 0; i < n; ++i) {
      results[i].error = pairs.pairs()[i].error ? pairs.pairs()[i].error : scores[i].error;
      results[i].value = {std::move(scores[i].value), pairs.pairs()[i].value.continuation};
    }
    *out = NewItems(of.model(), std::move(results));
  });
}

inf_status inf_next_many(inf_session* session, const inf_inputs* contexts, uint64_t top_k,
                         inf_cancel* cancel, inf_items** out, inf_error* err) {
  return Guard(err, [&] {
    const Hold held = Acquire(session, "session");
    const Hold texts = Acquire(contexts, "contexts");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireOut(out, "out");
    Session& of = *held->session;
    const std::vector<Ids> ids = AllIds(of.model(), *texts, flag.get());
    *out =
        NewItems(of.model(), PredictNextMany(of, Spans(ids.begin(), ids.end()), top_k, flag.get()));
  });
}

inf_status inf_classify(inf_model* model, const inf_inputs* prompts, const inf_inputs* labels,
                        const inf_request* request, uint32_t flags, inf_cancel* cancel,
                        inf_items** out, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(model, "model");
    const Hold texts = Acquire(prompts, "prompts");
    FlagsArg(flags, INF_CLASSIFY_LOGITS, "flags");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireOut(out, "out");
    const auto& loaded = owner->model;
    ClassifyOptions options{.wants_logits = (flags & INF_CLASSIFY_LOGITS) != 0,
                            .adapters = AdaptersOf(request, "request")};
    if (labels != nullptr) {
      Require(flags == 0, Status::kArg, "flags: are {:#x}, want 0 where labels are scored", flags);
      const Hold choices = Acquire(labels, "labels");
      *out =
          NewItems(*loaded, LabelClasses(loaded, *texts, *choices, options.adapters, flag.get()));
      return;
    }
    if (request != nullptr) options.sampling = Acquire(request, "request")->wanted.sampling;
    *out = NewItems(*loaded, NextClasses(loaded, *texts, options, flag.get()));
  });
}

inf_status inf_embed(inf_model* model, const inf_inputs* texts, const inf_embed_options* options,
                     inf_cancel* cancel, inf_items** out, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(model, "model");
    const Hold list = Acquire(texts, "texts");
    const EmbedOptions given = EmbedOptionsFrom(options);
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireOut(out, "out");
    const std::vector<Ids> ids = AllIds(*owner->model, *list, flag.get());
    *out = NewItems(*owner->model,
                    EmbedTexts(*owner->model, Spans(ids.begin(), ids.end()), given, flag.get()));
  });
}

}  // extern "C"
