// Contexts that outgrow their sessions beside others: in a batch, on threads, with what is cached.
#include <gtest/gtest.h>

#include <future>
#include <map>

#include "engine/batch.h"
#include "engine/overflow_runs.h"

namespace inference {
namespace {

std::string NameOf(const testing::TestParamInfo<const char*>& test) {
  const std::string name = test.param;
  return name.substr(0, name.find('-'));
}

// Eight of different lengths, heads and seeds, in sessions of different capacities.
struct Work {
  int64_t capacity;
  GenerateRequest request;
};
std::vector<Work> Mixed(const std::string& name) {
  std::vector<Work> out;
  for (uint32_t i = 0; i < 8; ++i) {
    GenerateRequest request =
        OverflowRequest(LongIds(name, 20 + 30 * i), 70, i % 3 == 0 ? 0 : static_cast<int64_t>(i));
    request.sampling.temperature = i % 2 == 0 ? 0.0f : 0.9f;
    request.sampling.seed = i;
    out.push_back({60 + 13 * i, std::move(request)});
  }
  return out;
}

std::vector<OverflowRun> Alone(const std::string& name, const std::vector<Work>& work) {
  std::vector<OverflowRun> out;
  for (const auto& [capacity, request] : work) {
    out.push_back(RunIn(std::make_shared<Session>(TinyModel(name), capacity), request));
    EXPECT_GT(out.back().overflows, 0u);
  }
  return out;
}

class SharedOverflowTest : public testing::TestWithParam<const char*> {
 protected:
  std::shared_ptr<Model> Load(const LoadOptions& options) const {
    return Model::Load(TestRuntime(), TinyPath(GetParam()), options, {});
  }
};

// With memory for five blocks some of them go back, and begin anew with what they had.
TEST_P(SharedOverflowTest, RowsOfABatchAreAsAlone) {
  const std::vector<Work> work = Mixed(GetParam());
  const std::vector<OverflowRun> want = Alone(GetParam(), work);
  uint64_t block = 0;
  const KvCache& cache = *TinyModel(GetParam())->executor().cache();
  for (size_t g = 0; g < cache.groups(); ++g) block += cache.page_bytes(g);
  for (const uint64_t blocks : {0, 5}) {
    for (const int64_t chunk : {16, 256}) {
      const auto model = Load({.prefill_chunk = chunk, .kv_limit = blocks * block});
      Batch batch(model, {.slots = 5});
      std::map<uint64_t, size_t> index;
      for (size_t i = 0; i < work.size(); ++i) {
        const auto session = std::make_shared<Session>(model, work[i].capacity);
        index[batch.Add(session, work[i].request)] = i;
      }
      std::vector<OverflowRun> got(work.size());
      while (batch.size() > 0) {
        for (const BatchEvent& event : batch.Step()) {
          OverflowRun& run = got[index.at(event.id)];
          if (!event.is_done) {
            Add(run, event.event);
            continue;
          }
          EXPECT_FALSE(event.status.has_value()) << event.message;
          End(run, event.result);
        }
      }
      for (size_t i = 0; i < work.size(); ++i) {
        EXPECT_EQ(got[i], want[i]) << i << ", " << blocks << " blocks, chunks of " << chunk;
      }
    }
  }
}

TEST_P(SharedOverflowTest, CallsThatShareStepsAreAsAlone) {
  const std::vector<Work> work = Mixed(GetParam());
  const std::vector<OverflowRun> want = Alone(GetParam(), work);
  const auto model = Load({.parallel_slots = 8});
  std::vector<std::future<OverflowRun>> running;
  for (const Work& one : work) {
    running.push_back(std::async(std::launch::async, [&] {
      return RunIn(std::make_shared<Session>(model, one.capacity), one.request);
    }));
  }
  for (size_t i = 0; i < work.size(); ++i) EXPECT_EQ(running[i].get(), want[i]) << i;
  EXPECT_GT(model->executor().counts().shared_steps, 0u);
}

// The second time, blocks of the first one are taken: of the prompt, and of what was left of it.
TEST_P(SharedOverflowTest, WhatIsCachedHasTheSameBits) {
  const auto model = Load({.prefill_chunk = 64, .prefix_cache = uint64_t{1} << 30});
  GenerateRequest request = OverflowRequest(LongIds(GetParam(), 180), 100, 20);
  const auto want = RunIn(std::make_shared<Session>(TinyModel(GetParam()), 200), request);
  EXPECT_EQ(want.overflows, 1u);
  for (int turn = 0; turn < 2; ++turn) {
    const uint64_t before = model->prefix_cache()->stats().hits;
    EXPECT_EQ(RunIn(std::make_shared<Session>(model, 200), request), want) << turn;
    const uint64_t hits = model->prefix_cache()->stats().hits - before;
    EXPECT_EQ(hits, turn == 0 ? 0u : 2u);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, SharedOverflowTest, testing::Values("llama-gqa", "gemma3-text"),
                         NameOf);

// One that drops tokens takes its steps beside one that decodes, which waits for none of them.
TEST(SharedOverflow, NeighboursGetATokenWithEveryStep) {
  const auto model = TinyModel("llama-gqa");
  Batch batch(model, {.slots = 2, .step_tokens = 8});
  const uint64_t slides = batch.Add(std::make_shared<Session>(model, 64),
                                    OverflowRequest(LongIds("llama-gqa", 60), 40, 0));
  const uint64_t decodes =
      batch.Add(nullptr, OverflowRequest(LongIds("llama-gqa", 3), 60, std::nullopt));
  int steps_of_prompt = 0;
  bool is_decoding = false;
  while (batch.size() > 1) {
    bool has_token = false, has_ended = false;
    for (const BatchEvent& event : batch.Step()) {
      const bool is_token = event.event.kind == GenerateEvent::Kind::kToken;
      has_ended |= event.is_done;
      has_token |= event.id == decodes && !event.is_done && is_token;
      if (event.id == slides && !event.is_done && !is_token && is_decoding) ++steps_of_prompt;
    }
    EXPECT_TRUE(has_token || has_ended || !is_decoding);
    is_decoding |= has_token;
  }
  EXPECT_GT(steps_of_prompt, 4);
}

}  // namespace
}  // namespace inference
