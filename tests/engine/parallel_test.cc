// Sessions of one model on several threads, whose calls share steps: the bits that each has alone.
#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <functional>
#include <future>
#include <map>
#include <thread>

#include "engine/adapter.h"
#include "engine/batch.h"
#include "engine/score_many.h"
#include "engine/tiny_models.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr int64_t kSlots = 8;

std::shared_ptr<Model> ParallelModel(const std::string& name, LoadOptions options = {}) {
  options.parallel_slots = kSlots;
  return Model::Load(TestRuntime(), TinyPath(name), options, {});
}

std::vector<uint64_t> Bits(std::span<const double> values) {
  std::vector<uint64_t> out;
  for (const double value : values) out.push_back(std::bit_cast<uint64_t>(value));
  return out;
}

struct Outcome {
  Ids ids;
  std::string text;
  std::vector<uint64_t> logprobs;  // bits, of tokens and prompt
  Finish finish = Finish::kNone;
  bool operator==(const Outcome&) const = default;
};

Outcome Generate(const std::shared_ptr<Model>& model, const GenerateRequest& request) {
  Generation generation(std::make_shared<Session>(model, 0), request);
  Outcome out;
  GenerateEvent event;
  while (generation.Next(event)) {
    if (event.kind == GenerateEvent::Kind::kToken) {
      out.ids.push_back(event.token);
      out.logprobs.push_back(std::bit_cast<uint64_t>(event.logprob));
    } else {
      const auto bits = Bits(event.logprobs);
      out.logprobs.insert(out.logprobs.end(), bits.begin(), bits.end());
    }
    out.text += event.text;
  }
  out.finish = generation.result().finish;
  return out;
}

// Different lengths, seeds, options and adapters; some long enough to be cut beside others.
std::vector<GenerateRequest> MixedRequests(const std::shared_ptr<Model>& model,
                                           const std::string& name) {
  const Ids ids = TinyGolden(name)["long_ids"].get<Ids>();
  const auto peft =
      Adapter::Load(model, INFERENCE_TEST_DATA "/golden/tiny/" + name + "/adapter-peft");
  const auto noise = Adapter::Null(*peft, {.seed = 3, .init_scale = 0.2});
  std::vector<GenerateRequest> out;
  for (size_t i = 0; i < 8; ++i) {
    GenerateRequest request;
    const size_t n = i % 3 == 2 ? ids.size() : 3 + 17 * i;
    request.prompt.assign(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n));
    request.max_tokens = 20 + static_cast<int64_t>(i);
    request.ignore_end = true;
    request.logprobs = i % 2 == 0;
    request.prompt_logprobs = i == 5;
    request.sampling.seed = i;
    request.sampling.temperature = i % 3 == 0 ? 0.0f : 0.9f;
    if (i == 4) request.sampling.repeat_penalty = 1.2f;
    if (i % 4 == 1) request.adapters = AdapterSet({{peft, 1.0f}});
    if (i % 4 == 3) request.adapters = AdapterSet({{peft, 0.5f}, {noise, 1.0f}});
    out.push_back(std::move(request));
  }
  return out;
}

template <typename Result>
std::vector<Result> OnThreads(size_t n, const std::function<Result(size_t)>& work) {
  std::vector<std::future<Result>> running;
  for (size_t i = 0; i < n; ++i) running.push_back(std::async(std::launch::async, work, i));
  std::vector<Result> out;
  for (auto& result : running) out.push_back(result.get());
  return out;
}

class ParallelTest : public testing::TestWithParam<TinyCase> {};

TEST_P(ParallelTest, EveryThreadHasTheBitsOfItsSingleRun) {
  const std::string name = GetParam().name;
  const auto model = ParallelModel(name, {.kv_type = GetParam().kv_type});
  const auto requests = MixedRequests(model, name);
  std::vector<Outcome> want;
  for (const GenerateRequest& request : requests) want.push_back(Generate(model, request));
  EXPECT_EQ(model->executor().counts().shared_steps, 0u);
  for (int run = 0; run < 3; ++run) {
    const auto got =
        OnThreads<Outcome>(requests.size(), [&](size_t i) { return Generate(model, requests[i]); });
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i] == want[i]) << "request " << i;
  }
  EXPECT_GT(model->executor().counts().shared_steps, 0u);
}

INSTANTIATE_TEST_SUITE_P(Models, ParallelTest,
                         testing::Values(TinyCase{"llama-gqa"},
                                         TinyCase{"gemma3-text", DType::kF16},
                                         TinyCase{"llama-gqa", DType::kQ8_0},
                                         TinyCase{"gemma3-text", DType::kQ8_0}));

// Generation, batches, scores, next tokens and hidden states side by side.
TEST(Parallel, CallsOfAllKindsKeepTheirBits) {
  const auto model = ParallelModel("llama-gqa");
  const auto requests = MixedRequests(model, "llama-gqa");
  const Ids ids = TinyGolden("llama-gqa")["long_ids"].get<Ids>();
  const auto work = [&](size_t i) -> std::vector<uint64_t> {
    std::vector<uint64_t> out;
    Session session(model, 0);
    if (i == 0) {
      out = Bits(ScoreContinuation(session, std::span(ids).first(30),
                                   std::span(ids).subspan(30, 60), nullptr)
                     .logprobs);
    } else if (i == 1) {
      out = Bits(ScoreRolling(session, ids, 50, 10, nullptr, {}).logprobs);
    } else if (i == 2) {
      std::vector<ScoreItem> items;
      for (size_t k = 0; k < 6; ++k) {
        items.push_back({std::span(ids).first(20), std::span(ids).subspan(20 + 7 * k, 9)});
      }
      for (const auto& item : ScoreMany(session, items, nullptr)) {
        for (const uint64_t bits : Bits(item.value.logprobs)) out.push_back(bits);
      }
    } else if (i == 3) {
      for (int k = 0; k < 5; ++k) {
        for (const uint64_t b :
             Bits(PredictNext(session, std::span(ids).first(20 + 8 * k), 5, nullptr).logprobs)) {
          out.push_back(b);
        }
      }
    } else if (i == 4) {
      Batch batch(model, {.slots = 3});
      for (size_t k = 0; k < 5; ++k) batch.Add(nullptr, requests[k]);
      std::map<uint64_t, std::vector<uint64_t>> by_id;
      while (batch.size() > 0) {
        for (const BatchEvent& event : batch.Step()) {
          if (!event.is_done) by_id[event.id].push_back(static_cast<uint64_t>(event.event.token));
        }
      }
      for (const auto& [id, tokens] : by_id) out.insert(out.end(), tokens.begin(), tokens.end());
    } else if (i == 5) {
      const size_t D = static_cast<size_t>(model->network().dims().hidden_size);
      std::vector<float> states(40 * D);
      KvSequence sequence(model->executor().cache());
      const ExecutorRow row{&sequence, std::span(ids).first(40), 40};
      model->executor().Hidden({&row, 1}, 2, states, nullptr);
      for (const float x : states) out.push_back(std::bit_cast<uint32_t>(x));
    } else {
      const Outcome outcome = Generate(model, requests[i]);
      out.assign(outcome.ids.begin(), outcome.ids.end());
    }
    return out;
  };
  std::vector<std::vector<uint64_t>> want;
  for (size_t i = 0; i < 8; ++i) want.push_back(work(i));
  for (int run = 0; run < 3; ++run) {
    const auto got = OnThreads<std::vector<uint64_t>>(8, work);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(got[i] == want[i]) << "caller " << i;
  }
  EXPECT_GT(model->executor().counts().shared_steps, 0u);
}

TEST(Parallel, OneSlotSharesNothing) {
  const auto model = Model::Load(TestRuntime(), TinyPath("llama-gqa"), {.parallel_slots = 0}, {});
  GenerateRequest request;
  request.prompt = {480, 350, 367};
  request.max_tokens = 20;
  const Outcome want = Generate(model, request);
  for (const Outcome& got :
       OnThreads<Outcome>(4, [&](size_t) { return Generate(model, request); })) {
    EXPECT_TRUE(got == want);
  }
  EXPECT_EQ(model->executor().counts().shared_steps, 0u);
}

// Memory for the pages of some of them at a time: who fails has OOM_DEVICE, what was computed
// stays, and the others have their bits.
TEST(Parallel, WhereMemoryIsShortOnlyThoseWithoutFail) {
  constexpr uint64_t kPage = 3 * 2 * 64 * 2 * 32 * sizeof(float);
  const auto model = ParallelModel("llama-gqa", {.kv_limit = 12 * kPage});
  GenerateRequest request;
  request.prompt = TinyGolden("llama-gqa")["long_ids"].get<Ids>();
  request.max_tokens = 40;  // three pages in all
  request.ignore_end = true;
  const Outcome want = Generate(model, request);
  std::atomic<int> done = 0;
  OnThreads<bool>(8, [&](size_t) {
    const auto session = std::make_shared<Session>(model, 0);
    Generation generation(session, request);
    Ids ids;
    try {
      GenerateEvent event;
      while (generation.Next(event)) {
        if (event.kind == GenerateEvent::Kind::kToken) ids.push_back(event.token);
      }
      EXPECT_EQ(ids, want.ids);
      ++done;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kOomDevice) << error.what();
      EXPECT_TRUE(std::equal(ids.begin(), ids.end(), want.ids.begin()));
    }
    return true;
  });
  EXPECT_GE(done, 4);
  EXPECT_TRUE(Generate(model, request) == want);
}

// Cancels at any moment: the session holds whole tokens of its text, and goes on to the same end.
TEST(Parallel, CancelledCallsLeaveTheirSessionsWhole) {
  const auto model = ParallelModel("llama-gqa");
  auto requests = MixedRequests(model, "llama-gqa");
  std::vector<Ids> want;
  for (GenerateRequest& request : requests) {
    request.prompt_logprobs = false;
    request.whole_context = true;
    want.push_back(Generate(model, request).ids);
  }
  std::atomic<int> cancelled = 0;
  OnThreads<bool>(8, [&](size_t i) {
    const auto session = std::make_shared<Session>(model, 0);
    for (int run = 0; run < 6; ++run) {
      const auto flag = std::make_shared<CancelFlag>();
      GenerateRequest request = requests[i];
      request.cancel = flag;
      std::thread other([&] {
        std::this_thread::sleep_for(
            std::chrono::microseconds(700 * (run * 8 + static_cast<int>(i))));
        flag->Trigger();
      });
      try {
        Generation generation(session, request);
        GenerateEvent event;
        while (generation.Next(event)) continue;
      } catch (const Error& error) {
        EXPECT_EQ(error.status(), Status::kCancelled) << error.what();
        ++cancelled;
      }
      other.join();
      Ids all = request.prompt;
      all.insert(all.end(), want[i].begin(), want[i].end());
      const Ids& held = session->tokens();
      EXPECT_EQ(session->length(), session->sequence().length());
      EXPECT_TRUE(held.size() <= all.size() && std::equal(held.begin(), held.end(), all.begin()));
    }
    Generation generation(session, requests[i]);
    Ids ids;
    GenerateEvent event;
    while (generation.Next(event)) {
      if (event.kind == GenerateEvent::Kind::kToken) ids.push_back(event.token);
    }
    EXPECT_EQ(ids, want[i]);
    return true;
  });
  EXPECT_GT(cancelled, 0);
}

}  // namespace
}  // namespace inference
