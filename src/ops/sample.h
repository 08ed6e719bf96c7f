// The next token of each row of logits, on the device; only the ids cross to the host.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tensor/recording.h"

namespace inference {

enum class SampleFilter : uint8_t { kTopP, kMinP, kTopK, kTypical, kTemperature };

// First the logits change, each token's in this order:
//   penalties, of ids that were generated within the window: x / repeat where x > 0, else x *
//   repeat; then - frequency * (times it was generated there), then - presence; bias: + that of the
//   id.
// Temperature 0: the largest logit is next, the lowest id on a tie. Otherwise the filters act in
// `order`, each on softmax(x / t) of the tokens that those before it have left, t being 1 before
// kTemperature has acted and `temperature` afterwards; one that is not in the order does not
// happen. A token is drawn from what softmax(x / t) then is. Tokens whose probability is below
// e^-87 times the likeliest one's are out from the start.
//   kTopP     keeps the likeliest tokens: those with a mass before them <= top_p
//   kMinP     drops tokens below min_p times the likeliest one left
//   kTopK     keeps the top_k likeliest tokens
//   kTypical  keeps the tokens whose surprise is nearest to the entropy (Meister et al. 2022):
//   those
//             with a mass before them, in the order of that distance, <= typical_p
// Equal ones stand in ascending order of their ids.
struct SampleOptions {
  float temperature = 0.0f;
  int32_t top_k = 0;       // 0 = off
  float top_p = 0.0f;      // off outside (0, 1)
  float min_p = 0.0f;      // 0 = off
  float typical_p = 0.0f;  // off outside (0, 1)
  float repeat_penalty = 1.0f, frequency_penalty = 0.0f, presence_penalty = 0.0f;  // 1, 0, 0 = off
  int32_t penalty_window = 0;  // the last ids that penalties look at; 0 = all
  uint64_t seed = 0;           // Philox 4x32-10 (Salmon et al. 2011), counter = draw number
  std::array<SampleFilter, 5> order = {SampleFilter::kTopP, SampleFilter::kMinP,
                                       SampleFilter::kTopK, SampleFilter::kTypical,
                                       SampleFilter::kTemperature};
  uint8_t filters = 5;                                // of `order` that happen
  std::vector<std::pair<int32_t, float>> logit_bias;  // ids of the vocabulary; -inf bans one

  bool penalizes() const {
    return repeat_penalty != 1.0f || frequency_penalty != 0.0f || presence_penalty != 0.0f;
  }
};

struct SampleRow {
  const SampleOptions* options = nullptr;
  uint32_t draw = 0;                 // samplings of this request before this one
  std::span<const int32_t> history;  // ids generated so far, of the vocabulary
};

constexpr int32_t kNoToken = -1;  // where a logit is NaN, or none or the largest is infinite

// A row gives the same id alone and in any batch. Submission thread only, but for the constructor.
class Sampler {
 public:
  Sampler(Device& device, int64_t vocab_size, int64_t rows);  // room for so many rows at first

  // The rows of the next run. True where its memory has moved: recordings made before read what is
  // no longer written, and must be made again.
  [[nodiscard]] bool Set(Device& device, std::span<const SampleRow> rows);
  // Appends the sampling of `logits` [R, V], for as many rows as were set; they stay as they are.
  void Record(Recording& recording, const Tensor& logits);
  std::vector<int32_t> Results(Device& device, int64_t rows);  // of the last run; waits

 private:
  void AppendEntries(const SampleRow& row);

  void MakeRoom(Device& device, int64_t rows);

  int64_t vocab_size_, max_rows_ = 0;
  Buffer table_;     // options of each row, then entries: ids whose logits change
  Buffer adjusted_;  // [max_rows, V]; of no bytes until a row has entries
  Buffer scratch_, partial_, result_;
  std::vector<uint32_t> words_, written_;  // of the table: wanted, and what it holds
  std::vector<int32_t> times_;             // [V]: how often an id was generated; 0 between calls
  std::vector<float> bias_;                // [V]: 0 between calls
};

}  // namespace inference
