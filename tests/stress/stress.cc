#include "stress/stress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace inference::stress {

namespace {

constexpr uint64_t kBeyondPrompt = 1024;  // tokens: many short texts take a page of 64 each

}  // namespace

const Scale& TheScale() {
  static const Scale scale = [] {
    Scale out;
    const char* wish = std::getenv("INFERENCE_STRESS");
    const char* model = std::getenv("INFERENCE_SMOLLM2");
    if (wish != nullptr && *wish != '\0') {
      EXPECT_NE(model, nullptr) << "INFERENCE_SMOLLM2 is not set: scripts/fetch_models.sh";
      out = {.is_long = true,
             .model = model == nullptr ? "" : model,
             .rounds = 300,
             .cancels = 1000,
             .prompt = 40,
             .long_prompt = 4096};
    }
    if (const char* rounds = std::getenv("INFERENCE_STRESS_ROUNDS")) out.rounds = std::atoi(rounds);
    if (const char* n = std::getenv("INFERENCE_STRESS_CANCELS")) out.cancels = std::atoi(n);
    return out;
  }();
  return scale;
}

Loaded::Loaded(int64_t slots) {
  const std::string& path = TheScale().model;
  Config config;
  EXPECT_OK(inf_config_new(config.out(), &err));
  EXPECT_OK(inf_config_set_i64(config.get(), "parallel_slots", 14, slots, &err));
  EXPECT_OK(inf_runtime_new(nullptr, nullptr, nullptr, nullptr, runtime.out(), &err));
  auto fit = Sized<inf_fit_desc>();
  EXPECT_OK(inf_model_estimate(runtime.get(), path.data(), path.size(), nullptr, &fit, &err));
  const uint64_t kv_limit =
      fit.kv_bytes_per_token * kThreads * (TheScale().long_prompt + kBeyondPrompt);
  EXPECT_OK(inf_config_set_i64(config.get(), "kv_limit", 8, static_cast<int64_t>(kv_limit), &err));
  EXPECT_OK(inf_model_load(runtime.get(), path.data(), path.size(), config.get(), nullptr, nullptr,
                           nullptr, model.out(), &err));
}

Ids RandomIds(size_t n, uint32_t seed, const Loaded& loaded) {
  auto desc = Sized<inf_model_desc>();
  EXPECT_OK(inf_model_info(loaded.model.get(), &desc, &err));
  std::mt19937 random(seed);
  std::uniform_int_distribution<inf_token> id(0, static_cast<inf_token>(desc.vocab_size) - 1);
  Ids out(n);
  std::ranges::generate(out, [&] { return id(random); });
  return out;
}

Ids GenerateIds(inf_session* session, const Ids& prompt, int32_t max_tokens) {
  Collector got;
  EXPECT_OK(inf_generate(session, NewRequest(prompt, max_tokens).get(), Collector::OnEvent, &got,
                         nullptr, &err));
  return got.ids;
}

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string MedianAndMost(std::vector<double> seconds) {
  if (seconds.empty()) return "none";
  std::ranges::sort(seconds);
  return fmt::format("median {:.1f} ms, at most {:.1f} ms, of {}",
                     1e3 * seconds[seconds.size() / 2], 1e3 * seconds.back(), seconds.size());
}

}  // namespace inference::stress
