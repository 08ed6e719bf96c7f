#include "engine/diff.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/packed_steps.h"

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

// A piece of a text that is computed by itself: ids, of which the last `outputs` count.
struct Window {
  size_t text = 0;
  Ids ids, targets;
};

void CheckOptions(const Model& model, const DiffOptions& options) {
  options.base.CheckModel(model);
  options.adapted.CheckModel(model);
  Require(options.top_k >= 0 && options.top_k <= kMaxMoved, Status::kArg,
          "diff: top_k is {}, want 0..{}", options.top_k, kMaxMoved);
  const auto context = static_cast<uint64_t>(model.context_length());
  const uint64_t window = options.window == 0 ? context : options.window;
  Require(window >= 2 && window - 1 <= context, Status::kArg,
          "diff: the window is {} tokens, want 2..{} (the model's context and one)", window,
          context + 1);
  Require(options.overlap >= 1 && options.overlap < window, Status::kArg,
          "diff: the overlap is {} tokens, want 1..{} (the window less one)", options.overlap,
          window - 1);
}

// As ScoreRolling cuts it: windows repeat the last `overlap` tokens of the one before as context.
void AddWindows(size_t text, Ids ids, size_t window, size_t overlap, std::vector<Window>& out) {
  for (size_t start = 0, scored = 1; scored < ids.size();) {
    const size_t end = std::min(start + window, ids.size());
    out.push_back({text, ids.subspan(start, end - 1 - start), ids.subspan(scored, end - scored)});
    scored = end;
    start = end - overlap;
  }
}

// Steps of both sides: for each row of the base that RunPacked makes, one of the adapted side.
class Sides {
 public:
  Sides(Executor& executor, std::span<const PackedItem> items, const DiffOptions& options,
        const CancelFlag* cancel)
      : executor_(executor),
        items_(items),
        options_(options),
        cancel_(cancel),
        sequences_(items.size()) {}

  // Of the rows' outputs, in order; targets as for Executor::Divergences.
  std::vector<RowDivergence> Step(Executor::Rows base, std::span<const PackedOutputs> outputs,
                                  Ids targets) {
    std::vector<ExecutorRow> rows(base.begin(), base.end());
    for (size_t r = 0; r < base.size(); ++r) {
      std::optional<KvSequence>& sequence = sequences_[outputs[r].item];
      if (!sequence) sequence.emplace(executor_.cache());
      rows.push_back({&*sequence, base[r].ids, base[r].outputs, options_.adapted.uses()});
    }
    std::vector<RowDivergence> out;
    try {
      if (targets.empty()) {
        executor_.Prefill(rows, cancel_);
      } else {
        out = executor_.Divergences(rows, targets, options_.top_k, cancel_);
      }
    } catch (...) {
      Drop(outputs, 0);  // those that began: RunPacked may come again with fewer
      throw;
    }
    for (const PackedOutputs& of_row : outputs) {
      Drop({&of_row, 1}, static_cast<int64_t>(items_[of_row.item].ids.size()));
    }
    return out;
  }

 private:
  void Drop(std::span<const PackedOutputs> outputs, int64_t length) {
    for (const PackedOutputs& of_row : outputs) {
      std::optional<KvSequence>& sequence = sequences_[of_row.item];
      if (sequence && sequence->length() == length) sequence.reset();
    }
  }

  Executor& executor_;
  const std::span<const PackedItem> items_;
  const DiffOptions& options_;
  const CancelFlag* const cancel_;
  std::vector<std::optional<KvSequence>> sequences_;  // of the adapted side, by item
};

// What is wrong with a text's results, where something is.
void CheckNumbers(const Diff& diff, bool last_only, size_t tokens) {
  for (size_t i = 0; i < diff.positions.size(); ++i) {
    const bool base = !std::isnan(diff.positions[i].base.logprob);
    Require(base && !std::isnan(diff.positions[i].adapted.logprob), Status::kNumeric,
            "diff: the {} side's logits after position {} are not numbers",
            base ? "adapted" : "base", last_only ? tokens - 1 : i);
  }
}

}  // namespace

std::vector<ItemResult<Diff>> DiffMany(Model& model, std::span<const Ids> texts,
                                       const DiffOptions& options, const CancelFlag* cancel) {
  CheckOptions(model, options);
  const auto window = static_cast<size_t>(
      options.window == 0 ? static_cast<uint64_t>(model.context_length()) : options.window);
  constexpr int32_t kAny = 0;  // where no token is given, the score of this one is not looked at
  std::vector<ItemResult<Diff>> results(texts.size());
  std::vector<Window> windows;
  for (size_t i = 0; i < texts.size(); ++i) {
    results[i].error = ItemError(
        [&] { options.last_only ? model.CheckText(texts[i]) : model.CheckIds(texts[i]); });
    if (results[i].error) continue;
    if (options.last_only) {
      windows.push_back({i, texts[i], {&kAny, 1}});
    } else {
      AddWindows(i, texts[i], window, static_cast<size_t>(options.overlap), windows);
    }
  }
  std::vector<PackedItem> items;
  for (const Window& of : windows) {
    items.push_back({.ids = of.ids,
                     .outputs = static_cast<int64_t>(of.targets.size()),
                     .adapters = options.base.uses()});
  }
  Executor& executor = model.executor();
  Sides sides(executor, items, options, cancel);
  const auto step = [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
    std::vector<int32_t> targets;
    std::vector<size_t> of_text;
    for (size_t r = 0; r < rows.size(); ++r) {
      const Window& of = windows[outputs[r].item];
      const Ids wanted = of.targets.subspan(static_cast<size_t>(outputs[r].first),
                                            static_cast<size_t>(rows[r].outputs));
      targets.insert(targets.end(), wanted.begin(), wanted.end());
      of_text.insert(of_text.end(), wanted.size(), of.text);
    }
    std::vector<RowDivergence> found = sides.Step(rows, outputs, targets);
    for (size_t i = 0; i < found.size(); ++i) {
      results[of_text[i]].value.positions.push_back(std::move(found[i]));
    }
  };
  const int64_t half = executor.max_tokens() / 2;
  RunPacked(executor, items, half, cancel, step, half);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (results[i].error) continue;
    Diff& diff = results[i].value;
    results[i].error = ItemError([&] { CheckNumbers(diff, options.last_only, texts[i].size()); });
    if (!options.last_only) continue;
    for (RowDivergence& row : diff.positions) {
      row.base.logprob = row.adapted.logprob = std::numeric_limits<double>::quiet_NaN();
    }
  }
  return results;
}

}  // namespace inference
