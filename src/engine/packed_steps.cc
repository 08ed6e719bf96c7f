#include "engine/packed_steps.h"

#include <algorithm>
#include <deque>

#include "util/error.h"

namespace inference {

namespace {

// Each row takes a page of keys and values at least: a short one leaves most of it unused.
constexpr size_t kMaxRows = 64;

class Packer {
 public:
  Packer(Executor& executor, std::span<const PackedItem> items, int64_t max_outputs,
         int64_t max_tokens)
      : executor_(executor), items_(items), max_outputs_(max_outputs), max_tokens_(max_tokens) {}

  bool is_done() const { return next_ == items_.size(); }

  void Step(const PackedStep& step) {
    std::deque<KvSequence> sequences;  // of items that begin in this step
    std::vector<ExecutorRow> rows;
    std::vector<PackedOutputs> outputs;
    Gather(sequences, rows, outputs);
    try {
      step(rows, outputs);
    } catch (const Error& error) {
      if (error.status() != Status::kOomDevice || rows.size() == 1) throw;
      max_rows_ = rows.size() / 2;
      return;
    }
    for (const ExecutorRow& row : rows) Finish(row);
  }

 private:
  void Gather(std::deque<KvSequence>& sequences, std::vector<ExecutorRow>& rows,
              std::vector<PackedOutputs>& outputs) {
    int64_t tokens = 0, wanted = 0, done = done_;
    for (size_t i = next_; i < items_.size() && rows.size() < max_rows_; ++i, done = 0) {
      const PackedItem& item = items_[i];
      const auto size = static_cast<int64_t>(item.ids.size());
      const int64_t first = std::max(done, size - item.outputs);  // id with an output
      const int64_t n =
          std::min({size - done, max_tokens_ - tokens, first - done + max_outputs_ - wanted});
      if (n <= 0) return;
      if (done == 0) {
        sequences.push_back(item.prefix != nullptr ? item.prefix->Fork()
                                                   : KvSequence(executor_.cache()));
      }
      const int64_t of_row = std::max<int64_t>(0, done + n - first);
      rows.push_back({done == 0 ? &sequences.back() : &*open_,
                      item.ids.subspan(static_cast<size_t>(done), static_cast<size_t>(n)), of_row,
                      item.adapters});
      outputs.push_back({i, first - (size - item.outputs)});
      tokens += n;
      wanted += of_row;
      if (done + n < size) return;
    }
  }

  void Finish(const ExecutorRow& row) {
    const PackedItem& item = items_[next_];
    done_ += static_cast<int64_t>(row.ids.size());
    if (done_ < static_cast<int64_t>(item.ids.size())) {
      if (row.sequence != (open_ ? &*open_ : nullptr)) open_.emplace(std::move(*row.sequence));
      return;
    }
    if (item.keep != nullptr) item.keep->emplace(std::move(*row.sequence));
    open_.reset();
    done_ = 0;
    ++next_;
  }

  Executor& executor_;
  const std::span<const PackedItem> items_;
  const int64_t max_outputs_, max_tokens_;
  size_t max_rows_ = kMaxRows;
  size_t next_ = 0;                 // item
  int64_t done_ = 0;                // ids of it
  std::optional<KvSequence> open_;  // its sequence, where some are done
};

}  // namespace

void RunPacked(Executor& executor, std::span<const PackedItem> items, int64_t max_outputs,
               const CancelFlag* cancel, const PackedStep& step, int64_t max_tokens) {
  Packer packer(executor, items, max_outputs, max_tokens > 0 ? max_tokens : executor.max_tokens());
  while (!packer.is_done()) {
    ThrowIfCancelled(cancel, "batch");
    packer.Step(step);
  }
}

}  // namespace inference
