#include "ops/sample.h"

#include <algorithm>
#include <bit>

#include "util/error.h"

namespace inference {

namespace {

// As in cl/sample.cl.
constexpr int64_t kBuckets = 32768;
constexpr size_t kOptionWords = 16, kEntryWords = 3;
constexpr size_t kFirstEntry = 12, kEntryCount = 13;

const std::vector<std::string> kFiles = {"sample_filters", "sample"};
constexpr int64_t kMaxPieces = 4096;  // of a row, for the search for the largest logit

uint32_t PackedOrder(const SampleOptions& options) {
  uint32_t packed = 0;
  for (size_t i = 0; i < options.filters; ++i) {
    packed |= (static_cast<uint32_t>(options.order[i]) + 1) << (4 * i);
  }
  return packed;
}

// Options of a row without its entries. What does not matter is 0, so that the words of greedy
// rows stay the same from step to step.
std::array<uint32_t, kOptionWords> OptionWords(const SampleRow& row) {
  const SampleOptions& o = *row.options;
  const bool draws = o.temperature > 0.0f;
  return {std::bit_cast<uint32_t>(o.temperature),
          std::bit_cast<uint32_t>(o.top_p),
          std::bit_cast<uint32_t>(o.min_p),
          std::bit_cast<uint32_t>(o.typical_p),
          std::bit_cast<uint32_t>(o.repeat_penalty),
          std::bit_cast<uint32_t>(o.frequency_penalty),
          std::bit_cast<uint32_t>(o.presence_penalty),
          static_cast<uint32_t>(o.top_k),
          static_cast<uint32_t>(o.seed),
          static_cast<uint32_t>(o.seed >> 32),
          draws ? row.draw : 0,
          PackedOrder(o)};
}

}  // namespace

Sampler::Sampler(Device& device, int64_t vocab_size, int64_t rows) : vocab_size_(vocab_size) {
  MakeRoom(device, rows);
}

void Sampler::MakeRoom(Device& device, int64_t most) {
  const auto rows = static_cast<uint64_t>(most), V = static_cast<uint64_t>(vocab_size_);
  written_.clear();  // first: an allocation may fail after the table has moved
  table_ = device.Allocate((rows * kOptionWords + 1024 * kEntryWords) * sizeof(uint32_t));
  adjusted_ = device.Allocate(0);
  scratch_ = device.Allocate(rows * (V + 2 * kBuckets) * sizeof(float));
  partial_ = device.Allocate(rows * 2 * kMaxPieces * sizeof(float));
  result_ = device.Allocate(rows * sizeof(int32_t));
  max_rows_ = most;
}

// Ids that were generated within the window or have a bias, each once, ascending.
void Sampler::AppendEntries(const SampleRow& row) {
  const SampleOptions& options = *row.options;
  times_.resize(static_cast<size_t>(vocab_size_));
  bias_.resize(static_cast<size_t>(vocab_size_));
  std::vector<int32_t> ids;
  if (options.penalizes()) {
    const auto window = static_cast<size_t>(options.penalty_window);
    const size_t counted = window == 0 ? row.history.size() : std::min(window, row.history.size());
    for (const int32_t id : row.history.last(counted)) {
      if (times_[static_cast<size_t>(id)]++ == 0) ids.push_back(id);
    }
  }
  for (const auto& [id, bias] : options.logit_bias) {
    if (times_[static_cast<size_t>(id)] == 0) ids.push_back(id);
    bias_[static_cast<size_t>(id)] += bias;
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const int32_t id : ids) {
    const auto times = static_cast<uint32_t>(std::exchange(times_[static_cast<size_t>(id)], 0));
    const float bias = std::exchange(bias_[static_cast<size_t>(id)], 0.0f);
    words_.insert(words_.end(), {static_cast<uint32_t>(id), times, std::bit_cast<uint32_t>(bias)});
  }
}

bool Sampler::Set(Device& device, std::span<const SampleRow> rows) {
  bool moved = false;
  if (static_cast<int64_t>(rows.size()) > max_rows_) {
    MakeRoom(device, static_cast<int64_t>(std::bit_ceil(rows.size())));
    moved = true;
  }
  const size_t head = static_cast<size_t>(max_rows_) * kOptionWords;
  words_.assign(head, 0);
  for (size_t i = 0; i < rows.size(); ++i) {
    std::ranges::copy(OptionWords(rows[i]),
                      words_.begin() + static_cast<std::ptrdiff_t>(i * kOptionWords));
    const size_t first = words_.size();
    if (rows[i].options->penalizes() || !rows[i].options->logit_bias.empty())
      AppendEntries(rows[i]);
    words_[i * kOptionWords + kFirstEntry] = static_cast<uint32_t>(first);
    words_[i * kOptionWords + kEntryCount] =
        static_cast<uint32_t>((words_.size() - first) / kEntryWords);
  }
  const auto bytes = std::as_bytes(std::span(words_));
  if (bytes.size() > table_.size()) {
    table_ = device.Allocate(2 * bytes.size());
    written_.clear();
    moved = true;
  }
  if (words_.size() > head && adjusted_.size() == 0) {
    adjusted_ = device.Allocate(static_cast<uint64_t>(max_rows_ * vocab_size_) * sizeof(float));
    moved = true;
  }
  if (words_ != written_) {
    device.Write(table_, 0, bytes);
    written_ = words_;
  }
  return moved;
}

void Sampler::Record(Recording& recording, const Tensor& logits) {
  Require(logits.shape.size() == 2 && logits.dim(0) <= max_rows_ && logits.dim(1) == vocab_size_,
          Status::kInternal, "sample: logits are [{}], want [1..{}, {}]",
          fmt::join(logits.shape, ", "), max_rows_, vocab_size_);
  const auto R = static_cast<int32_t>(logits.dim(0)), V = static_cast<int32_t>(vocab_size_);
  const int64_t pieces = recording.PartsFor(std::min<int64_t>((V + 15) / 16, kMaxPieces));
  const uint64_t partial_bytes = static_cast<uint64_t>(R * pieces) * 2 * sizeof(float);
  // Of greedy sampling: what else is read and computed depends on the options and the logits.
  const Work partial{
      .read_bytes = static_cast<uint64_t>(R) * static_cast<uint64_t>(V) * sizeof(float),
      .written_bytes = partial_bytes};
  const Work pick{.read_bytes = partial_bytes,
                  .written_bytes = static_cast<uint64_t>(R) * sizeof(int32_t)};
  recording.Launch("sample_partial", kFiles, "", R * pieces, partial, partial_, adjusted_,
                   logits.buffer, table_, R, static_cast<int32_t>(pieces), V);
  recording.Launch("sample_pick", kFiles, "", R, pick, result_, scratch_, adjusted_, logits.buffer,
                   partial_, table_, R, static_cast<int32_t>(pieces), V);
}

std::vector<int32_t> Sampler::Results(Device& device, int64_t rows) {
  std::vector<int32_t> ids(static_cast<size_t>(rows));
  device.Read(result_, 0, std::as_writable_bytes(std::span(ids)));
  return ids;
}

}  // namespace inference
