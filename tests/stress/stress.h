// One model under load. Short by default, on the tiny model; INFERENCE_STRESS=1 runs what
// scripts/test.sh --stress reports, on INFERENCE_SMOLLM2. INFERENCE_STRESS_ROUNDS and
// INFERENCE_STRESS_CANCELS change how much of it.
#pragma once

#include <chrono>
#include <random>
#include <string>
#include <vector>

#include "capi/api.h"
#include "stress/process_counts.h"

namespace inference::stress {

using namespace capi_test;  // NOLINT(google-build-using-namespace): its helpers, throughout
using Clock = std::chrono::steady_clock;

struct Scale {
  bool is_long = false;
  std::string model = kTinyModel;
  int rounds = 10;  // of all threads together
  int cancels = 80;
  size_t prompt = 24;  // tokens of an ordinary prompt
  size_t long_prompt = 400;
  int32_t max_tokens = 8;
};
const Scale& TheScale();

constexpr int kThreads = 8;

// A runtime and a model of its own, for what must be gone afterwards. Keys and values have the
// memory that kThreads texts need: pages that no session gives back would soon be missed.
struct Loaded {
  explicit Loaded(int64_t slots);
  Session NewSession() const { return capi_test::NewSession(0, model.get()); }

  Runtime runtime;
  Model model;
};

// Ids of the vocabulary, the same for the same seed.
Ids RandomIds(size_t n, uint32_t seed, const Loaded& loaded);

Ids GenerateIds(inf_session* session, const Ids& prompt, int32_t max_tokens);

double Seconds(Clock::duration duration);

// Of what was measured, in milliseconds.
std::string MedianAndMost(std::vector<double> seconds);

}  // namespace inference::stress
