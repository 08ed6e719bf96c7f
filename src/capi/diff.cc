// How two sides of a model differ on many texts.
#include "engine/diff.h"

#include "capi/arguments.h"
#include "capi/guard.h"
#include "capi/items.h"

using namespace inference;
using namespace inference::capi;

namespace {

static_assert(kMaxMoved == 64);  // as the header says

DiffOptions DiffOptionsFrom(const inf_diff_options* options) {
  if (options == nullptr) return {};
  const auto given = InStruct(options, "options");
  FlagsArg(given.flags, INF_DIFF_LAST, "options: flags");
  return {.last_only = (given.flags & INF_DIFF_LAST) != 0,
          .top_k = static_cast<int64_t>(given.top_k),
          .window = given.window,
          .overlap = given.overlap == 0 ? 1 : given.overlap};
}

inf_diff_desc DescOf(const DiffItem& item) {
  inf_diff_desc desc = {};
  desc.tokens = item.ids.size();
  desc.positions = item.diff.positions.size();
  for (const RowDivergence& row : item.diff.positions) {
    if (!item.last_only) {
      desc.base_logprob += row.base.logprob;
      desc.adapted_logprob += row.adapted.logprob;
    }
    desc.mean_kl += row.kl;
    desc.mean_kl_reverse += row.kl_reverse;
    desc.mean_js += row.js;
    desc.max_kl = std::max(desc.max_kl, row.kl);
    desc.max_js = std::max(desc.max_js, row.js);
  }
  for (double* sum : {&desc.mean_kl, &desc.mean_kl_reverse, &desc.mean_js}) {
    if (desc.positions > 0) *sum /= static_cast<double>(desc.positions);
  }
  return desc;
}

std::vector<float> ValuesOf(const Diff& diff) {
  std::vector<float> out;
  out.reserve(diff.positions.size() * INF_DIFF_COLUMNS);
  for (const RowDivergence& row : diff.positions) {
    for (const double value :
         {row.base.logprob, row.adapted.logprob, row.kl, row.kl_reverse, row.js}) {
      out.push_back(static_cast<float>(value));
    }
  }
  return out;
}

}  // namespace

extern "C" {

inf_status inf_diff(inf_model* model, const inf_inputs* texts, const inf_request* base,
                    const inf_request* adapted, const inf_diff_options* options, inf_cancel* cancel,
                    inf_items** out, inf_error* err) {
  return Guard(err, [&] {
    const auto owner = Lookup(model, "model");
    const Hold list = Acquire(texts, "texts");
    DiffOptions given = DiffOptionsFrom(options);
    given.base = AdaptersOf(base, "base");
    given.adapted = AdaptersOf(adapted, "adapted");
    const std::shared_ptr<CancelFlag> flag = LookupOptional(cancel, "cancel");
    RequireOut(out, "out");
    Model& of = *owner->model;
    std::vector<std::vector<int32_t>> ids = AllIds(of, *list, flag.get());
    auto found = DiffMany(of, Spans(ids.begin(), ids.end()), given, flag.get());
    std::vector<ItemResult<DiffItem>> results(found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      results[i] = {{std::move(found[i].value), std::move(ids[i]), given.last_only},
                    std::move(found[i].error)};
    }
    *out = NewItems(of, std::move(results));
  });
}

inf_status inf_items_diff(const inf_items* items, uint64_t index, inf_diff_desc* out,
                          inf_tokens* ids, inf_floats* values, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(items, "items");
    if (out != nullptr) RequireOutStruct(out, "out");
    if (ids != nullptr) RequireBuffer(ids, "ids");
    if (values != nullptr) RequireBuffer(values, "values");
    const auto& item = ItemAt<DiffItem>(*object, index, "differences");
    const std::vector<float> table = values != nullptr ? ValuesOf(item.diff) : Vector();
    if (values != nullptr) ReserveBuffer(values, table.size());
    if (ids != nullptr) FillBuffer(ids, item.ids);
    if (values != nullptr) FillBuffer(values, table);
    if (out != nullptr) FillOut(out, DescOf(item));
  });
}

inf_status inf_items_moved(const inf_items* items, uint64_t index, uint64_t position,
                           inf_tokens* ids, inf_floats* logprobs, inf_error* err) {
  return Guard(err, [&] {
    const auto object = Lookup(items, "items");
    if (ids != nullptr) RequireBuffer(ids, "ids");
    if (logprobs != nullptr) RequireBuffer(logprobs, "logprobs");
    const auto& positions = ItemAt<DiffItem>(*object, index, "differences").diff.positions;
    Require(position < positions.size(), Status::kArg, "position: is {}, there are {}", position,
            positions.size());
    std::vector<int32_t> moved;
    std::vector<float> values;
    for (const MovedToken& token : positions[static_cast<size_t>(position)].moved) {
      moved.push_back(token.id);
      values.push_back(static_cast<float>(token.base));
      values.push_back(static_cast<float>(token.adapted));
    }
    if (logprobs != nullptr) ReserveBuffer(logprobs, values.size());
    if (ids != nullptr) FillBuffer(ids, moved);
    if (logprobs != nullptr) FillBuffer(logprobs, values);
  });
}

}  // extern "C"
