// Cancels at any moment of any kind of work, from other threads, on one model.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "stress/stress.h"

namespace inference::stress {
namespace {

// Sets a flag some time after it was made, from a thread of its own.
class LateCancel {
 public:
  explicit LateCancel(double seconds) {
    EXPECT_OK(inf_cancel_new(cancel_.out(), &err));
    thread_ = std::thread([this, seconds] {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return stop_; });
      triggered_ = Clock::now();
      inf_cancel_trigger(cancel_.get());
    });
  }
  inf_cancel* get() const { return cancel_.get(); }
  // How long ago it was set, which it is then; call it once.
  double Ago() {
    const auto now = Clock::now();
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
    return Seconds(now - triggered_);
  }

 private:
  Cancel cancel_;
  Clock::time_point triggered_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

struct Texts {
  explicit Texts(const Loaded& loaded)
      : prompt(RandomIds(TheScale().prompt, 100, loaded)),
        long_prompt(RandomIds(TheScale().long_prompt, 101, loaded)),
        continuation(GenerateIds(loaded.NewSession().get(), prompt, 24)) {}
  Ids prompt, long_prompt, continuation;
};

bool IsPrefixOf(const Ids& held, const Ids& a, const Ids& b) {
  Ids all = a;
  all.insert(all.end(), b.begin(), b.end());
  return held.size() <= all.size() && std::equal(held.begin(), held.end(), all.begin());
}

// A session holds the beginning of its text, and goes on.
void ExpectWhole(const Session& session, const Texts& texts) {
  Tokens held;
  EXPECT_OK(inf_session_tokens(session.get(), &held, &err));
  EXPECT_TRUE(IsPrefixOf(List(held), texts.prompt, texts.continuation) ||
              IsPrefixOf(List(held), texts.long_prompt, {}));
  EXPECT_OK(inf_session_reset(session.get(), &err));
  EXPECT_EQ(GenerateIds(session.get(), texts.prompt, 4),
            Ids(texts.continuation.begin(), texts.continuation.begin() + 4));
}

Request CancellableRequest(const Ids& prompt, int32_t max_tokens, inf_cancel* cancel) {
  Request request = NewRequest(prompt, max_tokens);
  EXPECT_OK(inf_request_set_cancel(request.get(), cancel, &err));
  return request;
}

// Kinds of work: each gives the status with which it ended.
using Work = std::function<inf_status(const Loaded&, const Texts&, inf_session*, inf_cancel*)>;

inf_status Prefill(const Loaded&, const Texts& texts, inf_session* session, inf_cancel* cancel) {
  return inf_generate(session, CancellableRequest(texts.long_prompt, 1, cancel).get(), nullptr,
                      nullptr, nullptr, nullptr);
}

inf_status Decode(const Loaded&, const Texts& texts, inf_session* session, inf_cancel* cancel) {
  return inf_generate(session, CancellableRequest(texts.prompt, 24, cancel).get(), nullptr, nullptr,
                      nullptr, nullptr);
}

inf_status Steps(const Loaded&, const Texts& texts, inf_session* session, inf_cancel* cancel) {
  Gen gen;
  EXPECT_OK(
      inf_gen_start(session, CancellableRequest(texts.prompt, 24, cancel).get(), gen.out(), &err));
  const inf_event* event = nullptr;
  inf_status status = INF_OK;
  while (status == INF_OK) status = inf_gen_next(gen.get(), &event, nullptr);
  return status == INF_DONE ? INF_OK : status;
}

// Three requests, of which the second is cancelled: the others give their texts.
inf_status InBatch(const Loaded& loaded, const Texts& texts, inf_session* session,
                   inf_cancel* cancel) {
  Batch batch;
  EXPECT_OK(inf_batch_new(loaded.model.get(), nullptr, batch.out(), &err));
  std::array<uint64_t, 3> ids = {};
  for (size_t i = 0; i < ids.size(); ++i) {
    const Request request =
        i == 1 ? CancellableRequest(texts.prompt, 24, cancel) : NewRequest(texts.prompt, 6);
    EXPECT_OK(inf_batch_add(batch.get(), i == 1 ? session : nullptr, request.get(), &ids[i], &err));
  }
  std::array<Collector, 3> got;
  const inf_batch_event* event = nullptr;
  inf_status status = INF_OK, of_second = INF_E_STATE;
  while ((status = inf_batch_next(batch.get(), &event, nullptr)) == INF_OK) {
    const size_t i = static_cast<size_t>(std::ranges::find(ids, event->id) - ids.begin());
    if (event->event != nullptr) got[i].Add(*event->event);
    if (event->result != nullptr && i == 1) of_second = event->status;
  }
  EXPECT_EQ(status, INF_DONE);
  for (const size_t i : {0, 2}) {
    EXPECT_EQ(got[i].ids, Ids(texts.continuation.begin(), texts.continuation.begin() + 6));
  }
  return of_second;
}

inf_status Scores(const Loaded&, const Texts& texts, inf_session* session, inf_cancel* cancel) {
  auto out = Sized<inf_score_desc>();
  return inf_score_rolling(session, texts.long_prompt.data(), texts.long_prompt.size(), 0, 0,
                           cancel, nullptr, nullptr, &out, nullptr, nullptr);
}

inf_status ManyScores(const Loaded&, const Texts& texts, inf_session* session, inf_cancel* cancel) {
  Inputs contexts, continuations;
  EXPECT_OK(inf_inputs_new(contexts.out(), &err));
  EXPECT_OK(inf_inputs_new(continuations.out(), &err));
  EXPECT_OK(inf_inputs_add_tokens(contexts.get(), texts.prompt.data(), texts.prompt.size(), &err));
  for (size_t i = 0; i + 8 < texts.continuation.size(); ++i) {
    EXPECT_OK(inf_inputs_add_tokens(continuations.get(), texts.continuation.data() + i, 8, &err));
  }
  Items items;
  return inf_score_many(session, contexts.get(), continuations.get(), cancel, items.out(), nullptr);
}

inf_status Vectors(const Loaded& loaded, const Texts& texts, inf_session*, inf_cancel* cancel) {
  Inputs inputs;
  EXPECT_OK(inf_inputs_new(inputs.out(), &err));
  for (int i = 0; i < 12; ++i) {
    EXPECT_OK(inf_inputs_add_tokens(inputs.get(), texts.prompt.data(), texts.prompt.size(), &err));
  }
  Items items;
  return inf_embed(loaded.model.get(), inputs.get(), nullptr, cancel, items.out(), nullptr);
}

const std::vector<std::pair<const char*, Work>> kKinds = {
    {"a prompt", Prefill}, {"decode", Decode},          {"steps", Steps},    {"a batch", InBatch},
    {"scores", Scores},    {"many scores", ManyScores}, {"vectors", Vectors}};

// How long each kind takes when nobody stops it: what delays are drawn from.
class Durations {
 public:
  double Get(size_t kind) const {
    const std::lock_guard lock(mutex_);
    return seconds_[kind];
  }
  void Add(size_t kind, double seconds) {
    const std::lock_guard lock(mutex_);
    seconds_[kind] = seconds_[kind] == 0.0 ? seconds : 0.7 * seconds_[kind] + 0.3 * seconds;
  }

 private:
  mutable std::mutex mutex_;
  std::array<double, 16> seconds_ = {};
};

struct Outcome {
  std::atomic<int> cancelled = 0, done = 0;
  std::mutex mutex;
  std::vector<std::vector<double>> latencies = std::vector<std::vector<double>>(kKinds.size());
};

void RunCancels(const Loaded& loaded, int cancels, Outcome& outcome) {
  const Texts texts(loaded);
  Durations durations;
  const auto one = [&](size_t kind, double delay) {
    const Session session = loaded.NewSession();
    LateCancel cancel(delay);
    const auto start = Clock::now();
    const inf_status status = kKinds[kind].second(loaded, texts, session.get(), cancel.get());
    const double took = Seconds(Clock::now() - start), ago = cancel.Ago();
    EXPECT_TRUE(status == INF_OK || status == INF_E_CANCELLED)
        << kKinds[kind].first << ": " << inf_status_name(status);
    if (status == INF_OK) {
      ++outcome.done;
      durations.Add(kind, took);
    } else {
      ++outcome.cancelled;
      const std::lock_guard lock(outcome.mutex);
      outcome.latencies[kind].push_back(ago);
    }
    ExpectWhole(session, texts);
  };
  for (size_t kind = 0; kind < kKinds.size(); ++kind) one(kind, 1000.0);
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      while (outcome.cancelled < cancels) {
        const size_t kind = random() % kKinds.size();
        const double most = std::max(durations.Get(kind), 0.002);
        one(kind, std::uniform_real_distribution(0.0, 1.1 * most)(random));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void Report(const Outcome& outcome) {
  for (size_t kind = 0; kind < kKinds.size(); ++kind) {
    fmt::print("cancelled in {}, {} threads: {}\n", kKinds[kind].first, kThreads,
               MedianAndMost(outcome.latencies[kind]));
  }
}

TEST(StressCancel, AtAnyMoment) {
  {
    Outcome warm;
    RunCancels(Loaded(kThreads), 16, warm);
  }
  const ProcessCounts before = CountProcess();
  Outcome outcome;
  {
    const Loaded loaded(kThreads);
    RunCancels(loaded, TheScale().cancels, outcome);
    EXPECT_EQ(CountProcess().cl.events, 0);
    fmt::print("{} cancelled, {} done\n", outcome.cancelled.load(), outcome.done.load());
  }
  EXPECT_GE(outcome.cancelled, TheScale().cancels);
  EXPECT_EQ(CountProcess(), before);
  if (TheScale().is_long) Report(outcome);
}

// How long a cancel takes inside a long prompt: alone, and beside seven threads that decode.
TEST(StressCancel, Latency) {
  if (!TheScale().is_long) GTEST_SKIP() << "measured by scripts/test.sh --stress alone";
  const Loaded loaded(kThreads);
  const Texts texts(loaded);
  const auto start = Clock::now();
  GenerateIds(loaded.NewSession().get(), texts.long_prompt, 1);
  const double whole = Seconds(Clock::now() - start);
  std::mt19937 random(1);
  const auto measure = [&](int n, double most) {
    std::vector<double> out;
    while (out.size() < static_cast<size_t>(n)) {
      const Session session = loaded.NewSession();
      LateCancel cancel(std::uniform_real_distribution(0.01, most)(random));
      const inf_status status = Prefill(loaded, texts, session.get(), cancel.get());
      const double ago = cancel.Ago();
      if (status == INF_OK) continue;
      EXPECT_EQ(status, INF_E_CANCELLED);
      out.push_back(ago);
      ExpectWhole(session, texts);
    }
    return MedianAndMost(out);
  };
  fmt::print("a prompt of {} tokens takes {:.2f} s; cancelled alone: {}\n",
             texts.long_prompt.size(), whole, measure(20, 0.9 * whole));
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint32_t t = 1; t < kThreads; ++t) {
    threads.emplace_back([&] {
      while (!stop) GenerateIds(loaded.NewSession().get(), texts.prompt, 24);
    });
  }
  fmt::print("cancelled beside {} threads that decode: {}\n", kThreads - 1,
             measure(20, 0.9 * whole));
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace inference::stress
