// Requests beside each other: each has the text, and the bits, that it has alone.
#include "engine/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "engine/generator.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

struct Outcome {
  Ids ids;
  std::vector<double> logprobs;
  std::string text;
  Finish finish = Finish::kNone;
  std::optional<Status> status;
  std::string message;
  bool operator==(const Outcome&) const = default;
};

void Add(Outcome& outcome, const GenerateEvent& event) {
  if (event.kind != GenerateEvent::Kind::kToken) return;
  if (event.token >= 0) {
    outcome.ids.push_back(event.token);
    outcome.logprobs.push_back(event.logprob);
  }
  outcome.text += event.text;
}

Outcome Alone(const std::shared_ptr<Model>& model, const GenerateRequest& request) {
  Generation generation(std::make_shared<Session>(model, 0), request);
  Outcome out;
  GenerateEvent event;
  while (generation.Next(event)) Add(out, event);
  out.finish = generation.result().finish;
  return out;
}

std::map<uint64_t, Outcome> RunAll(Batch& batch) {
  std::map<uint64_t, Outcome> out;
  while (batch.size() > 0) {
    for (const BatchEvent& event : batch.Step()) {
      Outcome& outcome = out[event.id];
      if (!event.is_done) {
        Add(outcome, event.event);
        continue;
      }
      outcome.finish = event.result.finish;
      outcome.status = event.status;
      outcome.message = event.message;
    }
  }
  return out;
}

// Sixteen requests of different lengths, seeds and options.
std::vector<GenerateRequest> MixedRequests(const Ids& ids) {
  std::vector<GenerateRequest> out;
  for (size_t i = 0; i < 16; ++i) {
    GenerateRequest request;
    request.prompt.assign(ids.begin() + i, ids.begin() + i + 1 + (i * 37) % 110);
    request.max_tokens = 5 + static_cast<int64_t>(i) % 7;
    request.ignore_end = true;
    request.logprobs = i % 2 == 0;
    request.sampling.seed = i;
    if (i % 3 != 0) request.sampling.temperature = 0.7f + 0.1f * static_cast<float>(i);
    if (i % 4 == 1) request.sampling.top_k = 20;
    if (i % 5 == 2) request.sampling.repeat_penalty = 1.3f;
    out.push_back(std::move(request));
  }
  return out;
}

class BatchTest : public testing::TestWithParam<TinyCase> {};

TEST_P(BatchTest, SixteenMixedRowsHaveTheBitsOfSixteenRuns) {
  const Ids ids = TinyGolden(GetParam().name)["long_ids"].get<Ids>();
  const auto requests = MixedRequests(ids);
  std::vector<Outcome> want;
  for (const GenerateRequest& request : requests) {
    want.push_back(Alone(GetParam().Load(), request));
    EXPECT_FALSE(want.back().ids.empty());
  }
  for (const int64_t chunk : {1, 7, 64, 512}) {
    const auto model = GetParam().Load(chunk);
    for (const int64_t slots : {3, 16}) {
      Batch batch(model, {.slots = slots});
      std::vector<uint64_t> keys;
      for (const GenerateRequest& request : requests) keys.push_back(batch.Add(nullptr, request));
      auto got = RunAll(batch);
      for (size_t i = 0; i < keys.size(); ++i) {
        EXPECT_TRUE(got[keys[i]] == want[i]) << "request " << i << ", chunks of " << chunk << ", "
                                             << slots << " slots: " << got[keys[i]].text << " | "
                                             << want[i].text << " " << got[keys[i]].message;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, BatchTest,
                         testing::Values(TinyCase{"llama-gqa"}, TinyCase{"gemma3-text"},
                                         TinyCase{"gemma2"}, TinyCase{"qwen3-qknorm"},
                                         TinyCase{"llama-gqa", DType::kQ8_0},
                                         TinyCase{"gemma3-text", DType::kQ8_0}));

// As requests join and leave, rows come and go: no step may wait for a compiler because of it.
TEST(BatchTest, StepsOfAnyFewRowsShareTheirPrograms) {
  const auto model = TinyModel("llama-gqa");
  const Ids ids = TinyGolden("llama-gqa")["long_ids"].get<Ids>();
  const auto programs = [&] {
    const ProgramStats stats = model->device()->programs();
    return stats.built + stats.loaded;
  };
  for (const int64_t rows : {2, 3, 5, 8, 11, 16}) {
    Batch batch(model, {.slots = rows});
    for (int64_t i = 0; i < rows; ++i) {
      GenerateRequest request;
      request.prompt.assign(ids.begin() + i, ids.begin() + i + 3);
      request.max_tokens = 4;
      request.ignore_end = true;
      batch.Add(nullptr, request);
    }
    batch.Step();  // the prompts, and a token of each
    const uint64_t before = programs();
    RunAll(batch);
    if (rows > 2) {
      EXPECT_EQ(programs(), before) << rows << " rows";
    }
  }
}

TEST(BatchTest, RequestsJoinAndLeaveAtAnyStep) {
  const auto model = TinyModel("llama-gqa", 8);
  const Ids ids = TinyGolden("llama-gqa")["long_ids"].get<Ids>();
  const auto requests = MixedRequests(ids);
  Batch batch(model, {.slots = 4});
  std::map<uint64_t, Outcome> got;
  std::map<uint64_t, size_t> whose;
  std::mt19937 random(3);
  std::vector<uint64_t> removed;
  for (int step = 0; step < 400 && (step < 40 || batch.size() > 0); ++step) {
    if (whose.size() < requests.size() && random() % 3 == 0) {
      const size_t i = whose.size();
      whose[batch.Add(nullptr, requests[i])] = i;
    }
    if (step % 50 == 20 && !whose.empty()) {
      const uint64_t id = whose.rbegin()->first;
      if (batch.Remove(id)) removed.push_back(id);
    }
    for (const BatchEvent& event : batch.Step()) {
      if (event.is_done) {
        got[event.id].finish = event.result.finish;
      } else {
        Add(got[event.id], event.event);
      }
    }
  }
  EXPECT_EQ(batch.size(), 0u);
  EXPECT_FALSE(removed.empty());
  EXPECT_FALSE(batch.Remove(removed[0]));
  for (const auto& [id, i] : whose) {
    const bool is_removed = std::ranges::find(removed, id) != removed.end();
    const Outcome want = Alone(model, requests[i]);
    if (is_removed) {
      EXPECT_EQ(got[id].finish, Finish::kNone);  // it left without an event
    } else {
      EXPECT_TRUE(got[id] == want) << "request " << i;
    }
  }
}

TEST(BatchTest, ARequestThatIsCancelledEndsByItself) {
  const auto model = TinyModel("llama-gqa");
  GenerateRequest request;
  request.prompt = {480, 350, 367};
  request.max_tokens = 30;
  request.ignore_end = true;
  GenerateRequest cancelled = request;
  const auto flag = std::make_shared<CancelFlag>();
  cancelled.cancel = flag;
  Batch batch(model, {});
  const uint64_t first = batch.Add(nullptr, cancelled), second = batch.Add(nullptr, request);
  batch.Step();
  flag->Trigger();
  const auto got = RunAll(batch);
  EXPECT_EQ(got.at(first).finish, Finish::kCancelled);
  EXPECT_EQ(got.at(first).status, Status::kCancelled);
  EXPECT_THAT(got.at(first).message, testing::HasSubstr("cancelled"));
  EXPECT_EQ(got.at(second).finish, Finish::kLength);
  EXPECT_FALSE(got.at(second).status.has_value());
}

TEST(BatchTest, PromptLogprobsAreThoseAlone) {
  const auto model = TinyModel("gemma3-text", 8);
  const Ids ids = TinyGolden("gemma3-text")["long_ids"].get<Ids>();
  GenerateRequest request;
  request.prompt.assign(ids.begin(), ids.begin() + 40);
  request.max_tokens = 4;
  request.prompt_logprobs = true;
  const auto collect = [](const GenerateEvent& event, std::vector<double>& into) {
    if (event.kind != GenerateEvent::Kind::kPrefill) return;
    into.insert(into.end(), event.logprobs.begin(), event.logprobs.end());
  };
  std::vector<double> want, got;
  Generation alone(std::make_shared<Session>(model, 0), request);
  GenerateEvent event;
  while (alone.Next(event)) collect(event, want);
  Batch batch(model, {});
  GenerateRequest other = request;
  other.prompt_logprobs = false;
  other.max_tokens = 60;
  other.ignore_end = true;
  batch.Add(nullptr, other);
  const uint64_t id = batch.Add(nullptr, request);
  while (batch.size() > 0) {
    for (const BatchEvent& e : batch.Step()) {
      if (e.id == id) collect(e.event, got);
    }
  }
  ASSERT_EQ(got.size(), 40u);
  EXPECT_TRUE(std::isnan(got[0]));
  EXPECT_TRUE(std::equal(got.begin() + 1, got.end(), want.begin() + 1, want.end()));
}

// Memory for two or three of them at a time: the others begin anew later, with the same text.
TEST(BatchTest, WhereMemoryIsShortTheYoungestWaits) {
  constexpr uint64_t kPage = 3 * 2 * 64 * 2 * 32 * sizeof(float);
  constexpr uint64_t kLimit = 20 * kPage;  // of the 48 that six requests would use
  const auto model = Model::Load(TestRuntime(), TinyPath("llama-gqa"),
                                 {.prefill_chunk = 64, .kv_limit = kLimit}, {});
  const Ids ids = TinyGolden("llama-gqa")["long_ids"].get<Ids>();
  GenerateRequest request;
  request.prompt.assign(ids.begin(), ids.begin() + 60);
  request.max_tokens = 400;
  request.ignore_end = true;
  const Outcome want = Alone(model, request);
  ASSERT_EQ(want.ids.size(), 400u);
  Batch batch(model, {});
  std::vector<uint64_t> keys;
  for (int i = 0; i < 6; ++i) keys.push_back(batch.Add(nullptr, request));
  std::map<uint64_t, Outcome> got;
  bool begun_anew = false;
  const auto step = [&] {
    for (const BatchEvent& event : batch.Step()) {
      if (event.is_done) {
        got[event.id].finish = event.result.finish;
        got[event.id].message = event.message;
      } else {
        Add(got[event.id], event.event);
        begun_anew |= event.event.kind == GenerateEvent::Kind::kPrefill && event.event.total > 60;
      }
    }
  };
  while (batch.size() > 0) step();
  EXPECT_TRUE(begun_anew);
  for (const uint64_t key : keys) EXPECT_TRUE(got[key] == want) << got[key].message;
}

TEST(BatchTest, WhatCannotBeIsToldAndChangesNothing) {
  const auto model = TinyModel("llama-gqa");
  ExpectError(Status::kArg, {"batch: slots is 65, want 1..64"},
              [&] { Batch(model, {.slots = 65}); });
  ExpectError(Status::kArg, {"batch: step_tokens is 257, want 0..256"},
              [&] { Batch(model, {.step_tokens = 257}); });
  Batch batch(model, {});
  GenerateRequest request;
  ExpectError(Status::kArg, {"prompt: is empty"}, [&] { batch.Add(nullptr, request); });
  request.prompt = {1, 2};
  const auto session = std::make_shared<Session>(model, 0);
  batch.Add(session, request);
  ExpectError(Status::kState, {"the session is in another request"},
              [&] { batch.Add(session, request); });
  ExpectError(Status::kArg, {"another model"},
              [&] { batch.Add(std::make_shared<Session>(TinyModel("gemma3-text"), 0), request); });
  EXPECT_EQ(batch.size(), 1u);
}

}  // namespace
}  // namespace inference
