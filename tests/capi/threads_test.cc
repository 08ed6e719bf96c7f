// Several threads, and calls from inside callbacks.
#include <atomic>
#include <map>
#include <thread>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

TEST(Threads, SessionsOfOneModelRunSideBySide) {
  std::vector<std::thread> threads;
  std::vector<Ids> got(8);
  SharedModel();
  for (Ids& ids : got) {
    threads.emplace_back([&ids] {
      const Session session = NewSession();
      Collector collector;
      EXPECT_OK(inf_generate(session.get(), NewRequest().get(), Collector::OnEvent, &collector,
                             nullptr, &err));
      ids = collector.ids;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : got) EXPECT_EQ(ids, GoldenContinuation());
}

Model LoadParallelModel(int64_t slots) {
  Config config;
  EXPECT_OK(inf_config_new(config.out(), &err));
  EXPECT_OK(inf_config_set_i64(config.get(), "parallel_slots", 14, slots, &err));
  return LoadModel(kTinyModel, config.get());
}

// Generation by callback and by steps, a batch and scores: each as alone.
TEST(Threads, CallsOfOneModelShareSteps) {
  const Model model = LoadParallelModel(8);
  const auto score = [&] {
    const Session session = NewSession(0, model.get());
    auto out = Sized<inf_score_desc>();
    EXPECT_OK(inf_score(session.get(), kPrompt.data(), kPrompt.size(), GoldenContinuation().data(),
                        GoldenContinuation().size(), nullptr, &out, nullptr, &err));
    return out.total_logprob;
  };
  const double want = score();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int run = 0; run < 5; ++run) {
        const Session session = NewSession(0, model.get());
        if (i % 4 == 0) {
          ExpectWorks(session.get());
        } else if (i % 4 == 1) {
          Gen gen;
          ASSERT_OK(inf_gen_start(session.get(), NewRequest().get(), gen.out(), &err));
          Collector got;
          const inf_event* event = nullptr;
          while (inf_gen_next(gen.get(), &event, nullptr) == INF_OK) got.Add(*event);
          EXPECT_EQ(got.ids, GoldenContinuation());
        } else if (i % 4 == 2) {
          Batch batch;
          ASSERT_OK(inf_batch_new(model.get(), nullptr, batch.out(), &err));
          uint64_t ids[2];
          for (uint64_t& id : ids) {
            ASSERT_OK(inf_batch_add(batch.get(), nullptr, NewRequest().get(), &id, &err));
          }
          std::map<uint64_t, Collector> got;
          const inf_batch_event* event = nullptr;
          while (inf_batch_next(batch.get(), &event, nullptr) == INF_OK) {
            if (event->event != nullptr) got[event->id].Add(*event->event);
          }
          for (const uint64_t id : ids) EXPECT_EQ(got[id].ids, GoldenContinuation());
        } else {
          EXPECT_EQ(score(), want);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Threads, OneSessionServesOneCallAtATime) {
  const Session session = NewSession();
  const Request request = NewRequest({7}, 1);
  std::atomic<int> done = 0, busy = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      const Request own = NewRequest({7}, 1);
      for (int k = 0; k < 50; ++k) {
        const inf_status status =
            inf_generate(session.get(), own.get(), nullptr, nullptr, nullptr, nullptr);
        EXPECT_TRUE(status == INF_OK || status == INF_E_BUSY) << inf_status_name(status);
        ++(status == INF_OK ? done : busy);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inf_session_length(session.get()), static_cast<uint64_t>(done));
  ExpectWorks(session.get());
}

TEST(Threads, FreeWhileItRuns) {
  for (int delay = 0; delay < 20; ++delay) {
    Session session = NewSession();
    const Request request = NewRequest();
    inf_session* handle = session.get();
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay * 500));
      session.reset();
    });
    const inf_status status =
        inf_generate(handle, request.get(), nullptr, nullptr, nullptr, nullptr);
    other.join();
    EXPECT_TRUE(status == INF_OK || status == INF_E_HANDLE) << inf_status_name(status);
  }
  ExpectWorks(NewSession().get());
}

TEST(Threads, HandlesAreMadeAndFreedEverywhere) {
  Cancel shared;
  ASSERT_OK(inf_cancel_new(shared.out(), &err));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 500; ++k) {
        Cancel cancel;
        EXPECT_OK(inf_cancel_new(cancel.out(), &err));
        inf_cancel* stale = cancel.get();
        inf_cancel_trigger(stale);
        EXPECT_EQ(inf_cancel_is_set(stale), 1);
        cancel.reset();
        inf_cancel_trigger(stale);
        inf_cancel_trigger(shared.get());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(inf_cancel_is_set(shared.get()), 1);
}

TEST(Threads, ACancelMayGoWhileOthersTriggerIt) {
  for (int i = 0; i < 200; ++i) {
    Cancel cancel;
    ASSERT_OK(inf_cancel_new(cancel.out(), &err));
    inf_cancel* handle = cancel.get();
    std::thread other([handle] {
      for (int k = 0; k < 100; ++k) inf_cancel_trigger(handle);
    });
    cancel.reset();
    Cancel next;
    ASSERT_OK(inf_cancel_new(next.out(), &err));
    other.join();
    EXPECT_EQ(inf_cancel_is_set(next.get()), 0) << "a stale handle reached another object";
  }
}

TEST(Threads, ModelsComeAndGoBesideAGeneration) {
  std::atomic<bool> stop = false;
  std::thread loader([&] {
    while (!stop) LoadModel(kTinyModel);
  });
  const Session session = NewSession();
  for (int i = 0; i < 3; ++i) ExpectWorks(session.get());
  stop = true;
  loader.join();
}

// ---- inside a callback ----

struct Reentry {
  inf_session* session;
  inf_request* request;
  int events = 0;
  static int32_t OnEvent(void* user, const inf_event*) {
    auto& self = *static_cast<Reentry*>(user);
    if (self.events++ != 2) return 0;
    inf_session* session = self.session;
    EXPECT_FAILS(INF_E_BUSY, "session",
                 inf_generate(session, self.request, nullptr, nullptr, nullptr, &err));
    EXPECT_FAILS(INF_E_BUSY, "session", inf_session_reset(session, &err));
    Tokens tokens;
    EXPECT_FAILS(INF_E_BUSY, "session", inf_session_tokens(session, &tokens, &err));
    Floats logits;
    EXPECT_FAILS(INF_E_BUSY, "session",
                 inf_session_logits(session, kPrompt.data(), 1, nullptr, &logits, &err));
    EXPECT_FAILS(INF_E_BUSY, "request", inf_request_set_tokens(self.request, nullptr, 0, &err));
    // What only looks is allowed, and so is another session.
    EXPECT_EQ(inf_session_length(session), 6u);
    EXPECT_EQ(inf_session_capacity(session), 512u);
    auto metrics = Sized<inf_metrics>();
    EXPECT_OK(inf_session_metrics(session, &metrics, &err));
    ExpectWorks(NewSession().get());
    return 0;
  }
};

TEST(Callbacks, CallsOnWhatIsBusy) {
  const Session session = NewSession();
  const Request request = NewRequest();
  Reentry state{session.get(), request.get()};
  EXPECT_OK(inf_generate(session.get(), request.get(), Reentry::OnEvent, &state, nullptr, &err));
  EXPECT_GE(state.events, 41);
  ExpectWorks(session.get());
}

struct FreeAll {
  Model model;
  Session session;
  Request request;
  int events = 0;
  static int32_t OnEvent(void* user, const inf_event*) {
    auto& self = *static_cast<FreeAll*>(user);
    if (self.events++ == 2) {
      self.model.reset();
      self.session.reset();
      self.request.reset();
    }
    return 0;
  }
};

TEST(Callbacks, MayFreeWhatRuns) {
  FreeAll state;
  state.model = LoadModel(kTinyModel);
  state.session = NewSession(0, state.model.get());
  state.request = NewRequest();
  inf_session* session = state.session.get();
  auto result = Sized<inf_result>();
  EXPECT_OK(inf_generate(session, state.request.get(), FreeAll::OnEvent, &state, &result, &err));
  EXPECT_EQ(result.generated_tokens, 40u);
  EXPECT_EQ(inf_session_length(session), 0u);
  EXPECT_FAILS(INF_E_HANDLE, "session", inf_session_reset(session, &err));
}

TEST(Callbacks, MayFreeTheirGenerator) {
  const Session session = NewSession();
  Gen gen;
  ASSERT_OK(inf_gen_start(session.get(), NewRequest().get(), gen.out(), &err));
  inf_gen* handle = gen.get();
  std::thread other([&] {
    const inf_event* event = nullptr;
    while (inf_gen_next(handle, &event, nullptr) == INF_OK) {
    }
  });
  gen.reset();
  other.join();
  ExpectWorks(session.get());
}

}  // namespace
}  // namespace inference::capi_test
