// Sessions of one model on as many threads: nothing crashes, everything is as alone, and nothing is
// left behind.
#include <fmt/format.h>

#include <thread>

#include "stress/stress.h"

namespace inference::stress {
namespace {

std::vector<Ids> Prompts(const Loaded& loaded) {
  std::vector<Ids> out;
  for (uint32_t i = 0; i < kThreads; ++i) {
    out.push_back(RandomIds(TheScale().prompt + 9 * i, i, loaded));
  }
  return out;
}

// Every thread generates from its prompt, in each round anew.
void RunThreads(const Loaded& loaded, int rounds) {
  const std::vector<Ids> prompts = Prompts(loaded);
  std::vector<Ids> want;
  for (const Ids& prompt : prompts) {
    want.push_back(GenerateIds(loaded.NewSession().get(), prompt, TheScale().max_tokens));
  }
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const Session session = loaded.NewSession();
        EXPECT_EQ(GenerateIds(session.get(), prompts[i], TheScale().max_tokens), want[i]);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST(StressThreads, SessionsOfOneModel) {
  { RunThreads(Loaded(kThreads), 1); }  // the driver's own threads and files are there to stay
  const ProcessCounts before = CountProcess();
  {
    const Loaded loaded(kThreads);
    EXPECT_GT(CountProcess().cl.buffers, 0) << "the OpenCL loader has not loaded the layer";
    RunThreads(loaded, TheScale().rounds);
    EXPECT_EQ(CountProcess().cl.events, 0);
  }
  EXPECT_EQ(CountProcess(), before);
}

// What sharing steps gives: tokens a second of all threads together.
TEST(StressThreads, Throughput) {
  if (!TheScale().is_long) GTEST_SKIP() << "measured by scripts/test.sh --stress alone";
  constexpr int32_t kTokens = 48;
  const Loaded apart(1), shared(kThreads);
  const auto rate = [&](const Loaded& loaded, size_t n) {
    std::vector<Session> sessions;
    for (size_t i = 0; i < n; ++i) {
      sessions.push_back(loaded.NewSession());
      GenerateIds(sessions[i].get(), RandomIds(32, static_cast<uint32_t>(i), loaded), 1);
    }
    const auto start = Clock::now();
    std::vector<std::thread> threads;
    for (size_t i = 0; i < n; ++i) {
      threads.emplace_back([&, i] { GenerateIds(sessions[i].get(), {7}, kTokens); });
    }
    for (std::thread& thread : threads) thread.join();
    return static_cast<double>(n) * kTokens / Seconds(Clock::now() - start);
  };
  for (const size_t n : {1, 2, 4, 8}) {
    rate(shared, n);  // records its shapes
    for (int run = 0; run < 3; ++run) {
      const double one = rate(apart, n), many = rate(shared, n);
      fmt::print("{} threads: parallel_slots 1 {:.1f} tok/s, {} {:.1f} tok/s ({:.2f}x)\n", n, one,
                 kThreads, many, many / one);
    }
  }
}

}  // namespace
}  // namespace inference::stress
