// Where the time of a prompt and of a token goes: inference bench --profile.
#pragma once

#include <string>
#include <vector>

#include "bench.h"
#include "json_io.h"

namespace inference::tools {

// An entry of inf_profile_stop.
struct KernelShare {
  std::string kernel, what;
  uint64_t launches = 0, ns = 0;
  uint64_t weight_bytes = 0, read_bytes = 0, written_bytes = 0, flops = 0;

  uint64_t bytes() const { return weight_bytes + read_bytes + written_bytes; }
};

struct StageProfile {
  int64_t tokens = 0;
  double usual_s = 0.0;     // without a profile
  double profiled_s = 0.0;  // the same under the profile: kernels, and what is between them
  std::vector<KernelShare> kernels;
};

struct ModelProfile {
  std::string model, device;
  double read_gb_s = 0.0, gemm_gflop_s = 0.0;  // the device's limits
  int64_t rows = 1;                            // that decode at once
  StageProfile prefill, decode;                // no kernels: not measured
};

// Ends a profile of the device.
std::vector<KernelShare> StopProfile(const Runtime& runtime, uint32_t device);

// The prompt, then options.gen_tokens single tokens.
ModelProfile ProfileModel(const BenchOptions& options);

Json ToJson(const ModelProfile& profile);
void OutTable(const ModelProfile& profile);

}  // namespace inference::tools
