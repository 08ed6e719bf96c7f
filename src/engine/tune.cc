#include "engine/tune.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "ops/matmul.h"
#include "util/dtype.h"
#include "util/error.h"

namespace inference {

namespace {

constexpr double kWorthIt = 0.97;               // of the default's time
constexpr int64_t kAnySize = int64_t{1} << 40;  // what a rule for all sizes says
constexpr int kLaunches = 4;                    // of a run

// A product that can be run with any tuning.
struct Problem {
  std::shared_ptr<Device> device;
  KernelFamily family;
  PackedMatrix W;
  int64_t T = 1;
};

PackedMatrix ZeroMatrix(Device& device, DType type, int64_t rows, int64_t cols) {
  return PackMatrix(device, type, rows, cols,
                    [](int64_t, int64_t count, std::vector<std::byte>&, const std::byte** out) {
                      std::fill(out, out + count, nullptr);
                    });
}

// The device's tuning is as before when this goes.
class KeepTuning {
 public:
  explicit KeepTuning(Device& device) : device_(device), before_(device.tuning()) {}
  ~KeepTuning() { device_.SetTuning(std::move(before_)); }
  KeepTuning(const KeepTuning&) = delete;
  KeepTuning& operator=(const KeepTuning&) = delete;

 private:
  Device& device_;
  Tuning before_;
};

// One candidate, recorded: the recording keeps what it was made with.
class Candidate {
 public:
  Candidate(const Problem& problem, const Tuning& tuning)
      : device_(problem.device), recording_(device_, problem.family) {
    device_->SetTuning(tuning);
    const Tensor x = recording_.Temp({problem.T, problem.W.cols});
    const Tensor y = recording_.Temp({problem.T, problem.W.rows});
    device_->FillZero(x.buffer, 0, x.buffer.size());
    for (int i = 0; i < kLaunches; ++i) {
      Project(recording_, PrepareInput(recording_, {.x = x}), problem.W, y);
    }
    Seconds();  // may compile
  }

  double Seconds() {
    device_->Finish();
    const auto start = std::chrono::steady_clock::now();
    recording_.Run();
    device_->Finish();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  std::shared_ptr<Device> device_;
  Recording recording_;
};

// Null where the driver cannot build or launch the candidate's kernels: it may have too few
// registers.
std::unique_ptr<Candidate> TryCandidate(const Problem& problem, const Tuning& tuning,
                                        const Logger& logger) {
  try {
    return std::make_unique<Candidate>(problem, tuning);
  } catch (const Error& error) {
    if (error.status() != Status::kKernelBuild && error.status() != Status::kDevice) throw;
    logger.Log(LogLevel::kWarning, "tuning", "{} left out: {}",
               tuning.matmul.empty() ? "a candidate" : NameOf(tuning.matmul[0].choice),
               error.what());
    return nullptr;
  }
}

// Medians of the candidates' times, taken in turns so that what disturbs one disturbs all. The
// first has to run; infinity for another that cannot.
std::vector<double> Measure(const Problem& problem, const std::vector<Tuning>& tunings, int runs,
                            const Logger& logger) {
  std::vector<double> medians;
  problem.device->Run([&] {
    const KeepTuning keep(*problem.device);
    std::vector<std::unique_ptr<Candidate>> candidates;
    candidates.push_back(std::make_unique<Candidate>(problem, tunings[0]));
    for (size_t i = 1; i < tunings.size(); ++i) {
      candidates.push_back(TryCandidate(problem, tunings[i], logger));
    }
    std::vector<std::vector<double>> times(tunings.size());
    for (int run = 0; run < runs; ++run) {
      for (size_t i = 0; i < candidates.size(); ++i) {
        times[i].push_back(candidates[i] ? candidates[i]->Seconds()
                                         : std::numeric_limits<double>::infinity());
      }
    }
    for (auto& of_one : times) {
      const auto middle = of_one.begin() + static_cast<std::ptrdiff_t>(of_one.size() / 2);
      std::nth_element(of_one.begin(), middle, of_one.end());
      medians.push_back(*middle);
    }
  });
  return medians;
}

// The fastest, the first where none beats it by enough.
size_t Best(const std::vector<double>& seconds) {
  const auto fastest = std::min_element(seconds.begin(), seconds.end());
  return *fastest < kWorthIt * seconds.front() ? static_cast<size_t>(fastest - seconds.begin()) : 0;
}

Tuning OnlyWith(bool blocks, const MatmulChoice& choice) {
  return {.matmul = {{blocks, kAnySize, kAnySize, choice}}};
}

// The default first, then what else can be built for the device.
std::vector<MatmulChoice> ChoicesFor(const DeviceInfo& info, bool blocks, int64_t T) {
  using enum MatmulKernel;
  std::vector<MatmulChoice> out = {Tuning{}.ForMatmul(info, blocks, 1, T)};
  const auto add = [&](const MatmulChoice& choice) {
    if (choice.FitsDevice(info) && std::find(out.begin(), out.end(), choice) == out.end()) {
      out.push_back(choice);
    }
  };
  if (T <= 16) {
    add({.kernel = kEach});
    for (const int32_t lanes : {4, 8, 16}) {
      if (blocks) add({.kernel = kLanes, .lanes = lanes});
    }
  }
  if (T > 1) {
    for (const int32_t rows : {64, 128}) {
      for (const int32_t tokens : {8, 32, 64, 128}) {
        for (const int32_t item_tokens : {4, 8}) {
          if (tokens >= 2 * T && tokens > 8) continue;  // the half of a tile would be idle
          add({.kernel = kTiles, .rows = rows, .tokens = tokens, .item_tokens = item_tokens});
        }
      }
    }
  }
  return out;
}

void TuneProducts(const std::shared_ptr<Device>& device, KernelFamily family,
                  const TuneSizes& sizes, const Logger& logger, Tuning& tuning) {
  for (const bool blocks : {true, false}) {
    for (const int64_t rows : sizes.rows) {
      const DType type = blocks ? DType::kQ4_0 : DType::kF16;
      Problem problem{device, family, ZeroMatrix(*device, type, rows, sizes.cols)};
      for (const int64_t T : sizes.tokens) {
        problem.T = T;
        std::vector<MatmulChoice> choices = ChoicesFor(device->info(), blocks, T);
        choices.insert(choices.end(), sizes.besides.begin(), sizes.besides.end());
        std::vector<Tuning> tunings;
        for (const MatmulChoice& choice : choices) tunings.push_back(OnlyWith(blocks, choice));
        const size_t best = Best(Measure(problem, tunings, sizes.runs, logger));
        tuning.matmul.push_back({blocks, rows == sizes.rows.back() ? kAnySize : rows,
                                 T == sizes.tokens.back() ? kAnySize : T, choices[best]});
      }
    }
  }
}

void TuneParts(const std::shared_ptr<Device>& device, const TuneSizes& sizes, const Logger& logger,
               Tuning& tuning) {
  std::vector<Tuning> tunings = {Tuning{}};
  for (const int32_t parts : {1, 3, kMaxPartsPerComputeUnit})
    tunings.push_back({.parts_per_compute_unit = parts});
  std::vector<double> relative(tunings.size(), 0.0);
  const auto add = [&](int64_t rows, int64_t T) {
    const Problem problem{device, KernelFamily::kCpu,
                          ZeroMatrix(*device, DType::kQ4_0, rows, sizes.cols), T};
    const std::vector<double> seconds = Measure(problem, tunings, sizes.runs, logger);
    for (size_t i = 0; i < relative.size(); ++i) relative[i] += seconds[i] / seconds[0];
  };
  // What is better for both together: a token by a large matrix, many by a common one.
  add(sizes.rows.back(), sizes.tokens.front());
  add(sizes.rows[sizes.rows.size() / 2], sizes.tokens.back());
  tuning.parts_per_compute_unit = tunings[Best(relative)].parts_per_compute_unit;
}

}  // namespace

Tuning Tune(const std::shared_ptr<Device>& device, KernelFamily family, const Logger& logger,
            const TuneSizes& sizes) {
  Tuning tuning;
  if (family == KernelFamily::kCpu) {
    TuneParts(device, sizes, logger, tuning);
  } else {
    TuneProducts(device, family, sizes, logger, tuning);
  }
  return tuning;
}

}  // namespace inference
