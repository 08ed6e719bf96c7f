// Decoding several rows at once beside one row: inference bench --batch.
#pragma once

#include "bench.h"
#include "json_io.h"
#include "profile.h"

namespace inference::tools {

struct StepTimes {
  std::vector<double> wall_s, cpu_s;  // of each step; the process's, all cores together
};

struct BatchMeasured {
  std::string model, device;
  StepTimes one_row, rows;
  double read_gb_s = 0.0, gemm_gflop_s = 0.0;
};

// A step of one row and a step of options.batch rows in turn, options.gen_tokens of each, in one
// process: a machine that others use is as slow for both.
BatchMeasured MeasureBatch(const BenchOptions& options);
Json ToJson(const BenchOptions& options, const BatchMeasured& measured);
void OutTable(const BenchOptions& options, const BatchMeasured& measured);

// Where the time of a step of options.batch rows goes; there is no prefill in it.
ModelProfile ProfileBatch(const BenchOptions& options);

}  // namespace inference::tools
