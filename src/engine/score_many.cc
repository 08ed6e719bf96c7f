#include "engine/score_many.h"

#include <cmath>

#include "engine/shared_steps.h"

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

void RequireRoom(const Session& session, size_t tokens) {
  Require(tokens <= static_cast<size_t>(session.capacity()), Status::kContextFull,
          "score: {} tokens do not fit, the session's capacity is {}", tokens, session.capacity());
}

void CheckItem(const Session& session, const ScoreItem& item) {
  Require(!item.context.empty(), Status::kArg,
          "score: the context is empty, want a token at least");
  Require(!item.continuation.empty(), Status::kArg, "score: the continuation is empty");
  RequireRoom(session, item.context.size() + item.continuation.size() - 1);
  session.CheckIds(item.context);
  session.CheckIds(item.continuation);
}

void AddToken(Score& score, const RowScore& row, int32_t target) {
  score.logprobs.push_back(row.logprob);
  score.total += row.logprob;
  score.is_greedy = score.is_greedy && row.likeliest == target;
}

}  // namespace

std::vector<ItemResult<Score>> ScoreMany(Session& session, std::span<const ScoreItem> items,
                                         const CancelFlag* cancel) {
  std::vector<ItemResult<Score>> results(items.size());
  std::vector<SharedItem> shared;
  std::vector<size_t> which;  // item of each shared one
  for (size_t i = 0; i < items.size(); ++i) {
    const ScoreItem& item = items[i];
    results[i].error = ItemError([&] { CheckItem(session, item); });
    if (results[i].error) continue;
    SharedItem next{{item.context.begin(), item.context.end()},
                    static_cast<int64_t>(item.continuation.size())};
    next.ids.insert(next.ids.end(), item.continuation.begin(), item.continuation.end() - 1);
    shared.push_back(std::move(next));
    which.push_back(i);
  }
  Executor& executor = session.model().executor();
  const auto step = [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
    std::vector<int32_t> targets;
    for (size_t r = 0; r < rows.size(); ++r) {
      const Ids of_row = items[which[outputs[r].item]].continuation.subspan(
          static_cast<size_t>(outputs[r].first), static_cast<size_t>(rows[r].outputs));
      targets.insert(targets.end(), of_row.begin(), of_row.end());
    }
    if (targets.empty()) return executor.Prefill(rows, cancel);
    const std::vector<RowScore> scores = executor.Scores(rows, targets, cancel);
    size_t at = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      Score& score = results[which[outputs[r].item]].value;
      for (int64_t i = 0; i < rows[r].outputs; ++i, ++at) {
        AddToken(score, scores[at], targets[at]);
      }
    }
  };
  const uint64_t cached = RunShared(session, shared, executor.max_tokens(), cancel, step);
  for (const size_t i : which) {
    results[i].value.cached_tokens = cached;
    results[i].error = ItemError([&] {
      Require(!std::isnan(results[i].value.total), Status::kNumeric,
              "score: the logits after the context of {} tokens are not numbers",
              items[i].context.size());
    });
  }
  return results;
}

std::vector<ItemResult<NextTokens>> PredictNextMany(Session& session, std::span<const Ids> contexts,
                                                    uint64_t top_k, const CancelFlag* cancel) {
  Require(top_k >= 1, Status::kArg, "next token: top_k is 0, want at least 1");
  std::vector<ItemResult<NextTokens>> results(contexts.size());
  std::vector<SharedItem> shared;
  std::vector<size_t> which;
  for (size_t i = 0; i < contexts.size(); ++i) {
    results[i].error = ItemError([&] {
      Require(!contexts[i].empty(), Status::kArg, "next token: the context is empty");
      RequireRoom(session, contexts[i].size());
      session.CheckIds(contexts[i]);
    });
    if (results[i].error) continue;
    shared.push_back({{contexts[i].begin(), contexts[i].end()}, 1});
    which.push_back(i);
  }
  Executor& executor = session.model().executor();
  const auto V = static_cast<size_t>(session.model().network().dims().vocab_size);
  const auto step = [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
    size_t wanted = 0;
    for (const ExecutorRow& row : rows) wanted += static_cast<size_t>(row.outputs);
    if (wanted == 0) return executor.Prefill(rows, cancel);
    std::vector<float> logits(wanted * V);
    executor.Logits(rows, logits, cancel);
    size_t at = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      if (rows[r].outputs == 0) continue;
      ItemResult<NextTokens>& result = results[which[outputs[r].item]];
      const Ids context = contexts[which[outputs[r].item]];
      result.error = ItemError([&] {
        result.value = NextFrom(std::span(logits).subspan(V * at, V), top_k,
                                static_cast<int64_t>(context.size()) - 1);
      });
      ++at;
    }
  };
  const uint64_t cached = RunShared(session, shared, executor.logits_rows(), cancel, step);
  for (const size_t i : which) results[i].value.cached_tokens = cached;
  return results;
}

}  // namespace inference
