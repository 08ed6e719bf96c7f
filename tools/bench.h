// What measuring a model takes: the prompt, a run, and the device's limits.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "generation.h"

namespace inference::tools {

struct BenchOptions {
  ModelOptions model;
  int64_t prompt_tokens = 512;
  int32_t gen_tokens = 64;
  int64_t repetitions = 3;
  std::string ids;    // instead of prompt_tokens
  int64_t batch = 0;  // rows that decode at once; 0: the usual measurement of one
};

// options.ids, or as many pseudo-random ids as wanted, the same in every run.
std::vector<inf_token> PromptIds(const BenchOptions& options, uint32_t vocab_size);

// A session of `model` with room for `ids` and `max_tokens` more, and a request for them that no
// end-of-text token ends.
struct BenchRun {
  Session session;
  Request request;
};
BenchRun NewRun(const Model& model, std::span<const inf_token> ids, int32_t max_tokens);
inf_result Generate(const Model& model, std::span<const inf_token> ids, int32_t max_tokens);

double ReadBandwidth(const Runtime& runtime, uint32_t device);  // GB/s

std::string ModelLine(const inf_model_desc& desc);  // "llama Q4_1, 134.5 M parameters"

double SecondsSince(std::chrono::steady_clock::time_point start);

}  // namespace inference::tools
