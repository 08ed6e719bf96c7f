#include "ops/sample.h"

#include <array>
#include <bit>
#include <cstring>

#include "util/error.h"

namespace inference {

namespace {

constexpr int64_t kBuckets = 32768;  // BUCKETS in cl/sample.cl
constexpr int64_t kMaxParts = 4096;  // work-items that look for the largest logit

}  // namespace

Sampler::Sampler(Device& device, int64_t vocab_size)
    : vocab_size_(vocab_size),
      options_(device.Allocate(8 * sizeof(float))),
      seen_(device.Allocate(static_cast<uint64_t>(vocab_size))),
      scratch_(device.Allocate((static_cast<uint64_t>(vocab_size) + 2 * kBuckets) * sizeof(float))),
      partial_(device.Allocate(2 * kMaxParts * sizeof(float))),
      result_(device.Allocate(sizeof(int32_t))) {}

void Sampler::Reset(Device& device, const SampleOptions& options) {
  const std::array<uint32_t, 8> words = {
      std::bit_cast<uint32_t>(options.temperature),
      std::bit_cast<uint32_t>(options.top_p),
      std::bit_cast<uint32_t>(options.min_p),
      std::bit_cast<uint32_t>(options.repeat_penalty == 0.0f ? 1.0f : options.repeat_penalty),
      static_cast<uint32_t>(options.top_k),
      static_cast<uint32_t>(options.seed),
      static_cast<uint32_t>(options.seed >> 32),
      0};
  device.Write(options_, 0, std::as_bytes(std::span(words)));
  device.FillZero(seen_, 0, seen_.size());
}

void Sampler::Record(Recording& recording, const Tensor& logits, const StepBuffer& step) {
  Require(logits.shape == Shape{1, vocab_size_}, Status::kInternal,
          "sample: logits are [{}], want [1, {}]", fmt::join(logits.shape, ", "), vocab_size_);
  const int64_t units = std::min<int64_t>((vocab_size_ + 15) / 16, kMaxParts);
  const auto V = static_cast<int32_t>(vocab_size_);
  const int64_t parts = recording.PartsFor(units);
  const uint64_t partial_bytes = static_cast<uint64_t>(parts) * 2 * sizeof(float);
  // Of greedy sampling: what else is read and computed depends on the options and the logits.
  const Work partial{.read_bytes = static_cast<uint64_t>(vocab_size_) * sizeof(float),
                     .written_bytes = partial_bytes};
  const Work pick{.read_bytes = partial_bytes, .written_bytes = sizeof(int32_t) + 1};
  recording.Launch("sample_partial", {"sample"}, "", units, partial, logits.buffer, partial_,
                   options_, seen_, V);
  recording.Launch("sample_pick", {"sample"}, "", 1, pick, result_, scratch_, seen_, logits.buffer,
                   partial_, options_, step.buffer(), static_cast<int32_t>(parts), V);
}

int32_t Sampler::Result(Device& device) {
  int32_t id = kNoToken;
  device.Read(result_, 0, std::as_writable_bytes(std::span(&id, 1)));
  return id;
}

}  // namespace inference
