// Which calls share a step: rules of order, of size and of modes.
#include "engine/step_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inference {
namespace {

using testing::ElementsAre;
using testing::Pair;

// Calls that wait, told apart by their number.
class Waiting {
 public:
  // One row for each count of tokens; the last `outputs` tokens of each have results.
  PendingCall& Add(StepMode mode, const std::vector<size_t>& tokens, int64_t outputs = 0) {
    Call& call = calls_.emplace_back();
    for (const size_t n : tokens) {
      call.rows.push_back({nullptr, std::span(ids_).first(n), outputs});
    }
    call.call.mode = mode;
    call.call.rows = call.rows;
    call.pending = std::make_unique<PendingCall>(call.call);
    queue_.push_back(call.pending.get());
    return *call.pending;
  }
  PendingCall& Decode() { return Add(StepMode::kSample, {1}, 1); }
  PendingCall& Prompt(size_t n) { return Add(StepMode::kPrefill, {n}); }

  // Number of the call and tokens of each part of the next step.
  std::vector<std::pair<size_t, int64_t>> Plan(StepLimits limits) const {
    std::vector<std::pair<size_t, int64_t>> out;
    for (const StepPart& part : PlanStep(queue_, limits)) {
      out.emplace_back(std::ranges::find(queue_, part.pending) - queue_.begin(), part.tokens);
    }
    return out;
  }

 private:
  struct Call {
    std::vector<ExecutorRow> rows;
    StepCall call;
    std::unique_ptr<PendingCall> pending;
  };
  const std::vector<int32_t> ids_ = std::vector<int32_t>(1000);
  std::deque<Call> calls_;
  std::deque<PendingCall*> queue_;
};

constexpr StepLimits kLimits{.calls = 8, .max_tokens = 512, .max_outputs = 100};

TEST(StepPlan, OfNothing) { EXPECT_TRUE(PlanStep({}, kLimits).empty()); }

TEST(StepPlan, OneCallIsItsOwnStep) {
  Waiting waiting;
  waiting.Prompt(500);
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 500)));
}

TEST(StepPlan, RowsThatDecodeMeet) {
  Waiting waiting;
  waiting.Decode();
  waiting.Add(StepMode::kSample, {1, 1, 1}, 1);  // a batch
  waiting.Decode();
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 1), Pair(1, 3), Pair(2, 1)));
  EXPECT_THAT(waiting.Plan({.calls = 2, .max_tokens = 512, .max_outputs = 100}),
              ElementsAre(Pair(0, 1), Pair(1, 3)));
  EXPECT_THAT(waiting.Plan({.calls = 8, .max_tokens = 3, .max_outputs = 100}),
              ElementsAre(Pair(0, 1), Pair(2, 1)));
  EXPECT_THAT(waiting.Plan({.calls = 8, .max_tokens = 512, .max_outputs = 4}),
              ElementsAre(Pair(0, 1), Pair(1, 3)));
}

TEST(StepPlan, OneSlotIsNoSharing) {
  Waiting waiting;
  waiting.Prompt(300);
  waiting.Decode();
  EXPECT_THAT(waiting.Plan({.calls = 1, .max_tokens = 512, .max_outputs = 100}),
              ElementsAre(Pair(0, 300)));
}

TEST(StepPlan, PromptsAreCutBesideRowsThatDecode) {
  Waiting waiting;
  PendingCall& first = waiting.Prompt(300);
  waiting.Prompt(300);
  waiting.Decode();
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 128), Pair(2, 1)));
  first.done = 256;
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 44), Pair(2, 1), Pair(1, 84)));
}

TEST(StepPlan, BehindARowThatDecodes) {
  Waiting waiting;
  waiting.Decode();
  waiting.Prompt(100);
  waiting.Prompt(100);
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 1), Pair(1, 100), Pair(2, 28)));
}

TEST(StepPlan, PromptsAloneFillAStep) {
  Waiting waiting;
  waiting.Prompt(200);
  waiting.Prompt(200);
  waiting.Add(StepMode::kSample, {200}, 1);
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 200), Pair(1, 200), Pair(2, 112)));
}

// The last token of a prompt has the output, and so belongs to its last part.
TEST(StepPlan, OutputsStayTogether) {
  Waiting waiting;
  PendingCall& scores = waiting.Add(StepMode::kScores, {300}, 200);
  waiting.Decode();
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 100), Pair(1, 1)));
  scores.done = 100;
  // What is left cannot be cut, and is no step that samples.
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 200)));
}

TEST(StepPlan, WhatHasSeveralRowsIsNotCut) {
  Waiting waiting;
  waiting.Add(StepMode::kSample, {100, 1, 100}, 1);
  waiting.Decode();
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 201), Pair(1, 1)));
}

TEST(StepPlan, ModesThatCannotMeetFollowEachOther) {
  Waiting waiting;
  waiting.Add(StepMode::kScores, {20}, 10);
  waiting.Add(StepMode::kSample, {20}, 1);
  waiting.Add(StepMode::kLogits, {5}, 5);
  waiting.Add(StepMode::kHidden, {5}, 5);
  waiting.Add(StepMode::kScores, {30}, 10);
  waiting.Prompt(40);
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 20), Pair(4, 30), Pair(5, 40)));
}

TEST(StepPlan, HiddenStatesAreByThemselves) {
  Waiting waiting;
  waiting.Add(StepMode::kHidden, {5}, 5);
  waiting.Prompt(40);
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 5)));
}

TEST(StepPlan, WhatFailedBesideOthersIsAlone) {
  Waiting waiting;
  waiting.Decode();
  waiting.Decode().alone = true;
  waiting.Decode();
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 1), Pair(2, 1)));
  Waiting first;
  first.Prompt(300).alone = true;
  first.Decode();
  EXPECT_THAT(first.Plan(kLimits), ElementsAre(Pair(0, 300)));
}

// Halves of the rows are its sides: others would come between.
TEST(StepPlan, PairsAreAmongThemselves) {
  Waiting waiting;
  waiting.Add(StepMode::kDivergences, {5, 5}, 2);
  waiting.Add(StepMode::kDivergences, {3, 3}, 1);
  waiting.Decode();
  EXPECT_THAT(waiting.Plan(kLimits), ElementsAre(Pair(0, 10)));
  Waiting behind;
  behind.Prompt(20);
  behind.Add(StepMode::kDivergences, {5, 5}, 2);
  EXPECT_THAT(behind.Plan(kLimits), ElementsAre(Pair(0, 20)));
}

TEST(SharedStep, OfPairsIsTheCallItself) {
  const std::vector<int32_t> ids = {10, 11}, targets = {7};
  const std::vector<ExecutorRow> rows = {{nullptr, ids, 1}, {nullptr, ids, 1}};
  std::vector<RowDivergence> out;
  const StepCall call{.mode = StepMode::kDivergences,
                      .rows = rows,
                      .top = 5,
                      .targets = targets,
                      .divergences = &out};
  PendingCall pending(call);
  const std::vector<StepPart> parts = {{&pending, 4}};
  SharedStep step(parts);
  EXPECT_EQ(step.call().mode, StepMode::kDivergences);
  EXPECT_EQ(step.call().top, 5);
  EXPECT_EQ(step.call().divergences, &out);
  EXPECT_THAT(step.call().targets, ElementsAre(7));
  step.HandOut();
}

// Parts and results of calls of several kinds.
TEST(SharedStep, GivesEachCallItsOwn) {
  const std::vector<int32_t> ids = {10, 11, 12, 13, 14, 15};
  const SampleOptions options;
  std::vector<SampleRow> samples = {{&options, 1, {}}, {&options, 2, {}}};
  std::vector<float> logits(20);
  std::vector<int32_t> a_sampled, b_sampled;
  CancelFlag flag, other;
  const std::vector<ExecutorRow> a_rows = {{nullptr, std::span(ids).first(1), 1}};
  const std::vector<ExecutorRow> b_rows = {{nullptr, std::span(ids), 1}};
  const std::vector<ExecutorRow> c_rows = {{nullptr, std::span(ids), 0}};
  const StepCall a{.mode = StepMode::kSample,
                   .rows = a_rows,
                   .samples = std::span(samples).first(1),
                   .sampled = &a_sampled};
  const StepCall b{.mode = StepMode::kSample,
                   .rows = b_rows,
                   .cancel = &flag,
                   .logits = {{0, logits}},
                   .samples = std::span(samples).last(1),
                   .sampled = &b_sampled};
  const StepCall c{.rows = c_rows, .cancel = &other};
  PendingCall pa(a), pb(b), pc(c);
  pb.done = 4;
  const std::vector<StepPart> parts = {{&pc, 3}, {&pa, 1}, {&pb, 2}};
  SharedStep step(parts);
  const StepCall& call = step.call();
  EXPECT_EQ(call.mode, StepMode::kSample);
  ASSERT_EQ(call.rows.size(), 3u);
  EXPECT_THAT(call.rows[0].ids, ElementsAre(10, 11, 12));
  EXPECT_EQ(call.rows[0].outputs, 0);
  EXPECT_THAT(call.rows[2].ids, ElementsAre(14, 15));
  EXPECT_EQ(call.rows[2].ahead, 4);
  EXPECT_EQ(call.rows[2].outputs, 1);
  ASSERT_EQ(call.samples.size(), 2u);
  EXPECT_EQ(call.samples[1].draw, 2u);
  ASSERT_EQ(call.logits.size(), 1u);
  EXPECT_EQ(call.logits[0].first, 1);
  ASSERT_NE(call.cancel, nullptr);
  EXPECT_FALSE(call.cancel->IsSet());
  flag.Trigger();
  EXPECT_TRUE(call.cancel->IsSet());
  *call.sampled = {7, 8};
  step.HandOut();
  EXPECT_THAT(a_sampled, ElementsAre(7));
  EXPECT_THAT(b_sampled, ElementsAre(8));
}

}  // namespace
}  // namespace inference
