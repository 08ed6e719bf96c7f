// The pages of one sequence: which positions it holds, and where. Forks share pages until one of
// them writes.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "nn/kv_cache.h"
#include "tensor/step_buffer.h"

namespace inference {

class KvSequence;

// Hears of a sequence's new tokens while all of their pages are still there.
class CommitListener {
 public:
  virtual ~CommitListener() = default;
  virtual void OnCommit(const KvSequence& sequence) noexcept = 0;
};

// One caller at a time. Any thread, but for what is marked.
class KvSequence {
 public:
  explicit KvSequence(std::shared_ptr<KvCache> cache);
  ~KvSequence();
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;

  const std::shared_ptr<KvCache>& cache() const { return cache_; }
  int64_t length() const { return length_; }
  uint64_t bytes() const;  // of its pages, shared ones too

  // The fewest tokens it may be cut back to: windows forget what was before them.
  int64_t OldestRestorable() const;
  void Truncate(int64_t length);  // OldestRestorable()..length(), or 0
  KvSequence Fork() const;

  // Room for `tokens` more, in pages that nobody else uses. OOM_DEVICE leaves it as it was, though
  // some of the room may be there. Submission thread only.
  void Extend(int64_t tokens);
  // They are computed; what windows will not need any more goes, once the listener has heard.
  void Commit(int64_t tokens);
  void SetListener(CommitListener* listener) { listener_ = listener; }  // forks have none
  // What a step needs of the next `tokens` tokens. Valid until the next change.
  std::vector<PageTable> Tables(int64_t tokens) const;

  // The first block that a sequence of `length` tokens keeps of a group.
  static int64_t FirstKept(const KvCache& cache, size_t group, int64_t length);
  // The page of block `block` in a group, -1 where a window has left it.
  int32_t page(size_t group, int64_t block) const;
  // Makes an empty sequence hold `length` tokens, a multiple of 64: pages[group] are those of its
  // first blocks, -1 where no window needs them. Each gets one user more.
  void Adopt(int64_t length, std::vector<std::vector<int32_t>> pages);
  // Makes an empty sequence hold `length` tokens in new pages, each group from its block
  // first_blocks[group] on. What is in them is undefined. OOM_DEVICE leaves it empty. Submission
  // thread only.
  void Allocate(int64_t length, std::span<const int64_t> first_blocks);

  // The first block of a group that it has a page of; the number of its blocks where it has none.
  int64_t FirstBlock(size_t group) const;
  int64_t blocks() const { return (length_ + kCacheBlock - 1) / kCacheBlock; }
  // The first block of a group that the token after `length` others sees.
  static int64_t FirstNeeded(const KvCache& cache, size_t group, int64_t length);

 private:
  void Clear();
  void DropFrom(size_t group, size_t block);

  std::shared_ptr<KvCache> cache_;
  int64_t length_ = 0;
  std::vector<std::vector<int32_t>> pages_;  // by group and block; -1: none (any more)
  CommitListener* listener_ = nullptr;
};

}  // namespace inference
