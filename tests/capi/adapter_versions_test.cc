// Versions of an adapter that are loaded, used, replaced and freed while requests run: each request
// keeps the one it was given, and nothing is left of those that went.
#include <atomic>
#include <mutex>
#include <thread>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

constexpr int kVersions = 3, kWorkers = 4, kRequests = 6;
constexpr int32_t kTokens = 12;

class AdapterVersions : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime_.out(), &err));
    before_ = Active();
    ASSERT_OK(inf_model_load(runtime_.get(), kTinyModel.data(), kTinyModel.size(), nullptr, nullptr,
                             nullptr, nullptr, model_.out(), &err));
  }

  uint64_t Active() const {
    auto memory = Sized<inf_memory_desc>();
    EXPECT_OK(inf_memory_info(runtime_.get(), 0, &memory, &err));
    return memory.active_bytes;
  }

  // One adapter of so many bytes, with what was recorded for it.
  void ExpectGone(uint64_t before, uint64_t bytes) const {
    EXPECT_GE(before - Active(), bytes);
    EXPECT_LT(before - Active(), 2 * bytes);
  }

  Adapter Load() const {
    const std::string path = kTinyFolder + "/adapter-peft";
    Adapter adapter;
    EXPECT_OK(inf_adapter_load(model_.get(), path.data(), path.size(), nullptr, nullptr,
                               adapter.out(), &err));
    return adapter;
  }

  // What a host would load from another file: the same shapes, other values.
  Adapter Version(int number) const {
    const Adapter like = Load();
    Adapter adapter;
    EXPECT_OK(
        inf_adapter_null(like.get(), static_cast<uint64_t>(number), 0.5, 1.0, adapter.out(), &err));
    return adapter;
  }

  static void Use(const Request& request, const Adapter& adapter) {
    const inf_adapter* list = adapter.get();
    EXPECT_OK(inf_request_set_adapters(request.get(), &list, nullptr, 1, &err));
  }

  Ids Run(const Request& request) const {
    const Session session = NewSession(0, model_.get());
    Collector got;
    EXPECT_OK(inf_generate(session.get(), request.get(), Collector::OnEvent, &got, nullptr, &err));
    return got.ids;
  }

  Ids RunVersion(int number) const {
    const Request request = NewRequest(kPrompt, kTokens);
    const Adapter adapter = Version(number);
    Use(request, adapter);
    return Run(request);
  }

  Runtime runtime_;
  uint64_t before_ = 0;
  Model model_;
};

TEST_F(AdapterVersions, AreReplacedWhileRequestsRun) {
  std::vector<Ids> want;
  for (int v = 0; v < kVersions; ++v) want.push_back(RunVersion(v));
  ASSERT_NE(want[0], want[1]);
  ASSERT_NE(want[1], want[2]);

  std::mutex mutex;  // the host's: of the current version
  int current = 0;
  Adapter adapter = Version(current);
  std::atomic<int> left = kWorkers;
  std::atomic<int> used[kVersions] = {};
  std::vector<std::thread> threads;
  for (int worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRequests; ++i) {
        const Request request = NewRequest(kPrompt, kTokens);
        int mine = 0;
        {
          const std::lock_guard lock(mutex);
          mine = current;
          Use(request, adapter);
        }
        EXPECT_EQ(Run(request), want[static_cast<size_t>(mine)]) << "version " << mine;
        ++used[mine];
      }
      --left;
    });
  }
  int replaced = 0;
  while (left > 0) {
    Adapter next = Version((current + 1) % kVersions);
    const std::lock_guard lock(mutex);
    adapter = std::move(next);  // the old handle is freed, here or with `next`
    current = (current + 1) % kVersions;
    ++replaced;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(replaced, 2);
  EXPECT_EQ(used[0] + used[1] + used[2], kWorkers * kRequests);

  auto desc = Sized<inf_adapter_desc>();
  ASSERT_OK(inf_adapter_info(adapter.get(), &desc, &err));
  const uint64_t with = Active(), bytes = desc.bytes;
  adapter.reset();
  ExpectGone(with, bytes);
  EXPECT_EQ(Run(NewRequest()), GoldenContinuation()) << "and the base is what it was";
  model_.reset();
  EXPECT_EQ(Active(), before_) << "an adapter keeps the model";
}

// A generation, a batch's requests and many texts, each begun before the handle went.
TEST_F(AdapterVersions, WhatRunsKeepsAFreedOne) {
  const Ids want = RunVersion(1);
  Request request = NewRequest(kPrompt, kTokens);
  Adapter adapter = Version(1);
  Use(request, adapter);
  const Session session = NewSession(0, model_.get()), of_batch = NewSession(0, model_.get());
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), request.get(), gen.out(), &err));
  Batch batch;
  ASSERT_OK(inf_batch_new(model_.get(), nullptr, batch.out(), &err));
  uint64_t id = 0;
  ASSERT_OK(inf_batch_add(batch.get(), of_batch.get(), request.get(), &id, &err));
  auto desc = Sized<inf_adapter_desc>();
  ASSERT_OK(inf_adapter_info(adapter.get(), &desc, &err));
  const uint64_t bytes = desc.bytes;
  adapter.reset();
  request.reset();
  Collector alone, together;
  const inf_event* event = nullptr;
  while (inf_gen_next(gen.get(), &event, nullptr) == INF_OK) {
    alone.Add(*event);
    EXPECT_EQ(RunVersion(2), RunVersion(2)) << "others come and go between its steps";
  }
  EXPECT_EQ(alone.ids, want);
  const inf_batch_event* batch_event = nullptr;
  while (inf_batch_next(batch.get(), &batch_event, nullptr) == INF_OK) {
    if (batch_event->event != nullptr) together.Add(*batch_event->event);
  }
  EXPECT_EQ(together.ids, want);
  // The sessions go on under it; with them goes the last use.
  const uint64_t with = Active();
  gen.reset();
  batch.reset();
  EXPECT_EQ(Active(), with);
  ASSERT_OK(inf_session_set_adapters(session.get(), nullptr, nullptr, 0, &err));
  ASSERT_OK(inf_session_set_adapters(of_batch.get(), nullptr, nullptr, 0, &err));
  ExpectGone(with, bytes);
}

}  // namespace
}  // namespace inference::capi_test
