// Calls of several threads on one queue: what they share, and what a failure of one does to the
// others. Steps are computed by the tests, in place of a network.
#include "engine/step_merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

using Ids = std::vector<int32_t>;
constexpr int64_t kMaxLength = 1024, kMaxTokens = 256;
constexpr LayerCacheSpec kLayer{.kv_heads = 1, .head_dim = 32};

std::shared_ptr<KvCache> MakeCache(uint64_t max_bytes = 0) {
  return std::make_shared<KvCache>(TestDevice(), std::vector{kLayer}, kMaxLength, kMaxTokens,
                                   max_bytes);
}

// What a step would sample after a row: the sum of its ids and its position.
int32_t NextOf(const ExecutorRow& row) {
  int64_t sum = row.sequence->length() + row.ahead;
  for (const int32_t id : row.ids) sum += id;
  return static_cast<int32_t>(sum);
}

void SampleRows(const StepCall& call) {
  for (const ExecutorRow& row : call.rows) {
    if (row.outputs > 0) call.sampled->push_back(NextOf(row));
  }
}

// Keeps the submission thread from everything else.
class Blocked {
 public:
  Blocked() {
    TestDevice()->Post([this] {
      begun_.set_value();
      go_.get_future().wait();
    });
    begun_.get_future().wait();
  }
  ~Blocked() { Release(); }
  void Release() {
    if (!std::exchange(released_, true)) go_.set_value();
  }

 private:
  std::promise<void> begun_, go_;
  bool released_ = false;
};

// A call by a thread of its own, on a sequence of its own.
class Caller {
 public:
  Caller(StepMerger& merger, const std::shared_ptr<KvCache>& cache, Ids ids,
         const CancelFlag* cancel = nullptr)
      : ids_(std::move(ids)), sequence_(cache), row_{&sequence_, ids_, 1} {
    call_ = {.mode = StepMode::kSample,
             .rows = {&row_, 1},
             .cancel = cancel,
             .samples = {&sample_, 1},
             .sampled = &sampled_};
    done_ = std::async(std::launch::async, [this, &merger] { merger.Run(call_); });
  }
  void Get() { done_.get(); }  // throws what the call threw
  bool is_done() const {
    return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  const Ids& sampled() const { return sampled_; }
  int64_t length() const { return sequence_.length(); }

 private:
  const Ids ids_;
  KvSequence sequence_;
  const ExecutorRow row_;
  SampleOptions options_;
  const SampleRow sample_{&options_, 0, {}};
  Ids sampled_;
  StepCall call_;
  std::future<void> done_;
};

void AwaitCalls(const StepMerger& merger, uint64_t calls) {
  while (merger.counts().calls < calls) std::this_thread::yield();
}

constexpr StepLimits kShared{.calls = 8, .max_tokens = kMaxTokens, .max_outputs = 100};

TEST(StepMerger, CallsThatWaitShareAStep) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), kShared, SampleRows);
  Blocked blocked;
  Caller a(merger, cache, {3}), b(merger, cache, {4}), c(merger, cache, {5, 6, 7});
  AwaitCalls(merger, 3);
  blocked.Release();
  a.Get();
  b.Get();
  c.Get();
  EXPECT_EQ(a.sampled(), Ids{3});
  EXPECT_EQ(b.sampled(), Ids{4});
  EXPECT_EQ(c.sampled(), Ids{18});
  EXPECT_EQ(c.length(), 3);
  EXPECT_EQ(merger.counts().steps, 1u);
  EXPECT_EQ(merger.counts().shared_steps, 1u);
  EXPECT_EQ(merger.counts().calls, 0u);
}

TEST(StepMerger, WithOneSlotTheyFollowEachOther) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), {.calls = 1, .max_tokens = kMaxTokens, .max_outputs = 100},
                    SampleRows);
  Blocked blocked;
  Caller a(merger, cache, {3}), b(merger, cache, {4});
  AwaitCalls(merger, 2);
  blocked.Release();
  a.Get();
  b.Get();
  EXPECT_EQ(b.sampled(), Ids{4});
  EXPECT_EQ(merger.counts().steps, 2u);
  EXPECT_EQ(merger.counts().shared_steps, 0u);
}

// 200 tokens beside a row that decodes: 128, then the rest. Nothing is committed in between.
TEST(StepMerger, APromptIsCutAndCommittedAsAWhole) {
  const auto cache = MakeCache();
  std::vector<std::pair<size_t, int64_t>> rows;  // tokens and tokens ahead
  StepMerger merger(TestDevice(), kShared, [&](const StepCall& call) {
    for (const ExecutorRow& row : call.rows) {
      rows.emplace_back(row.ids.size(), row.ahead);
      EXPECT_EQ(row.sequence->length(), 0);
    }
    SampleRows(call);
  });
  Blocked blocked;
  Caller prompt(merger, cache, Ids(200, 1));
  AwaitCalls(merger, 1);
  Caller decode(merger, cache, {4});
  AwaitCalls(merger, 2);
  blocked.Release();
  prompt.Get();
  decode.Get();
  using P = std::pair<size_t, int64_t>;
  EXPECT_THAT(rows, testing::ElementsAre(P(128, 0), P(1, 0), P(72, 128)));
  EXPECT_EQ(prompt.length(), 200);
  EXPECT_EQ(prompt.sampled(), Ids{72 + 128});
  EXPECT_EQ(merger.counts().steps, 2u);
}

TEST(StepMerger, ACancelledCallLeavesWhileItWaits) {
  const auto cache = MakeCache();
  CancelFlag flag;
  StepMerger merger(TestDevice(), kShared, SampleRows);
  Blocked blocked;
  Caller a(merger, cache, {3}, &flag), b(merger, cache, {4});
  AwaitCalls(merger, 2);
  flag.Trigger();
  ExpectError(Status::kCancelled, {"step", "cancelled"}, [&] { a.Get(); });  // nothing runs yet
  EXPECT_FALSE(b.is_done());
  EXPECT_EQ(a.length(), 0);
  blocked.Release();
  b.Get();
  EXPECT_EQ(b.sampled(), Ids{4});
}

// A step ends early for the one that is cancelled; the others are computed again.
TEST(StepMerger, ACancelInAStepConcernsItsCallAlone) {
  const auto cache = MakeCache();
  CancelFlag flag, other;
  std::atomic<int> runs = 0;
  StepMerger merger(TestDevice(), kShared, [&](const StepCall& call) {
    if (++runs == 1) {
      flag.Trigger();
      ASSERT_EQ(call.rows.size(), 3u);
      ThrowIfCancelled(call.cancel, "step");
      ADD_FAILURE() << "the step does not see the flag";
    }
    SampleRows(call);
  });
  Blocked blocked;
  Caller a(merger, cache, {3}, &other), b(merger, cache, {4}, &flag), c(merger, cache, {5});
  AwaitCalls(merger, 3);
  blocked.Release();
  ExpectError(Status::kCancelled, {"cancelled"}, [&] { b.Get(); });
  a.Get();
  c.Get();
  EXPECT_EQ(a.sampled(), Ids{3});
  EXPECT_EQ(c.sampled(), Ids{5});
  EXPECT_EQ(b.length(), 0);
  EXPECT_EQ(runs, 2);
}

TEST(StepMerger, WhereASharedStepFailsEachIsComputedByItself) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), kShared, [](const StepCall& call) {
    Require(call.rows.size() == 1, Status::kOomDevice, "no memory for {} rows", call.rows.size());
    Require(call.rows[0].ids[0] != 4, Status::kNumeric, "four");
    SampleRows(call);
  });
  Blocked blocked;
  Caller a(merger, cache, {3}), b(merger, cache, {4}), c(merger, cache, {5});
  AwaitCalls(merger, 3);
  blocked.Release();
  a.Get();
  ExpectError(Status::kNumeric, {"four"}, [&] { b.Get(); });
  c.Get();
  EXPECT_EQ(a.sampled(), Ids{3});
  EXPECT_EQ(c.sampled(), Ids{5});
  EXPECT_EQ(b.length(), 0);
  EXPECT_EQ(merger.counts().steps, 4u);
}

TEST(StepMerger, ALostDeviceConcernsAll) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), kShared,
                    [](const StepCall&) { Fail(Status::kDeviceLost, "gone"); });
  Blocked blocked;
  Caller a(merger, cache, {3}), b(merger, cache, {4});
  AwaitCalls(merger, 2);
  blocked.Release();
  ExpectError(Status::kDeviceLost, {"gone"}, [&] { a.Get(); });
  ExpectError(Status::kDeviceLost, {"gone"}, [&] { b.Get(); });
  EXPECT_EQ(merger.counts().steps, 1u);
}

// What is no Error at all, such as bad_alloc.
TEST(StepMerger, OtherExceptionsReachTheirCallers) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), kShared, [](const StepCall&) { throw std::bad_alloc(); });
  Blocked blocked;
  Caller a(merger, cache, {3}), b(merger, cache, {4});
  AwaitCalls(merger, 2);
  blocked.Release();
  EXPECT_THROW(a.Get(), std::bad_alloc);
  EXPECT_THROW(b.Get(), std::bad_alloc);
}

// Pages for one of two sequences: that one goes on, the other fails with the numbers.
TEST(StepMerger, PagesThatAreMissingFailTheirCallAlone) {
  const auto cache = MakeCache(uint64_t{2} * 2 * 64 * 32 * sizeof(float));  // two pages
  StepMerger merger(TestDevice(), kShared, SampleRows);
  Blocked blocked;
  Caller a(merger, cache, {3});
  AwaitCalls(merger, 1);
  Caller b(merger, cache, Ids(200, 1));
  AwaitCalls(merger, 2);
  blocked.Release();
  a.Get();
  ExpectError(Status::kOomDevice, {"kv_limit"}, [&] { b.Get(); });
  EXPECT_EQ(a.sampled(), Ids{3});
  EXPECT_EQ(b.length(), 0);
}

// Threads in a loop, each with a text of its own; some give up on the way.
TEST(StepMerger, ManyThreads) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), kShared, SampleRows);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      KvSequence sequence(cache);
      CancelFlag flag;
      for (int i = 0; i < 200; ++i) {
        const Ids ids(static_cast<size_t>(i % 40 == 0 ? 10 + t : 1), t);
        const ExecutorRow row{&sequence, ids, 1};
        const SampleOptions options;
        const SampleRow sample{&options, 0, {}};
        Ids sampled;
        const int64_t length = sequence.length();
        const int32_t want = NextOf(row);
        if (i % 50 == 7 * t % 50) flag.Trigger();
        try {
          merger.Run({.mode = StepMode::kSample,
                      .rows = {&row, 1},
                      .cancel = &flag,
                      .samples = {&sample, 1},
                      .sampled = &sampled});
          EXPECT_EQ(sampled, Ids{want});
          EXPECT_EQ(sequence.length(), length + static_cast<int64_t>(ids.size()));
        } catch (const Error& error) {
          EXPECT_EQ(error.status(), Status::kCancelled) << error.what();
          EXPECT_EQ(sequence.length(), length);
          flag.Reset();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(merger.counts().calls, 0u);
  EXPECT_LE(merger.counts().steps, 8u * 200u);
}

TEST(StepMerger, TokensAreBounded) {
  const auto cache = MakeCache();
  StepMerger merger(TestDevice(), kShared, SampleRows);
  Caller none(merger, cache, {}), many(merger, cache, Ids(kMaxTokens + 1));
  ExpectError(Status::kInternal, {"0 tokens", "1..256"}, [&] { none.Get(); });
  ExpectError(Status::kInternal, {"257 tokens", "1..256"}, [&] { many.Get(); });
}

// ---- who is waited for ----

using Time = ReturnWatch::Time;
constexpr std::chrono::microseconds kPatience{500};

TEST(ReturnWatch, WaitsForThoseWhoCameBackAtOnce) {
  ReturnWatch watch;
  int a = 0, b = 0;
  const Time t0{};
  EXPECT_FALSE(watch.Arrived(&a, t0));
  watch.HandedOut(&a, false, t0, t0 + kPatience);
  EXPECT_FALSE(watch.Expected(t0));  // not known to be prompt
  EXPECT_TRUE(watch.Arrived(&a, t0 + kPatience / 2));
  watch.HandedOut(&a, true, t0, t0 + kPatience);
  watch.HandedOut(&b, true, t0, t0 + 2 * kPatience);
  EXPECT_EQ(watch.Expected(t0), t0 + 2 * kPatience);
  EXPECT_TRUE(watch.Arrived(&b, t0 + kPatience / 2));
  EXPECT_EQ(watch.Expected(t0 + kPatience / 2), t0 + kPatience);
  EXPECT_FALSE(watch.Expected(t0 + kPatience));  // long enough
  EXPECT_FALSE(watch.Arrived(&a, t0 + 2 * kPatience));
}

TEST(ReturnWatch, ForgetsThoseWhoStayAway) {
  ReturnWatch watch;
  int callers[3] = {};
  const Time t0{};
  watch.HandedOut(&callers[0], true, t0, t0 + kPatience);
  watch.HandedOut(&callers[1], true, t0 + 3 * kPatience, t0 + 4 * kPatience);
  EXPECT_EQ(watch.Expected(t0 + 3 * kPatience), t0 + 4 * kPatience);
  EXPECT_FALSE(watch.Arrived(&callers[0], t0 + 3 * kPatience));
}

}  // namespace
}  // namespace inference
