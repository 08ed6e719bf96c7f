#include "nn/kv_sequence.h"

#include <algorithm>
#include <utility>

#include "util/error.h"

namespace inference {

namespace {

constexpr int32_t kNone = -1;

}  // namespace

KvSequence::KvSequence(std::shared_ptr<KvCache> cache)
    : cache_(std::move(cache)), pages_(cache_->groups()) {}

KvSequence::~KvSequence() { Clear(); }

KvSequence::KvSequence(KvSequence&& other) noexcept
    : cache_(other.cache_),
      length_(std::exchange(other.length_, 0)),
      pages_(std::exchange(other.pages_, {})),
      listener_(std::exchange(other.listener_, nullptr)) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  if (this == &other) return *this;
  Clear();
  cache_ = other.cache_;
  length_ = std::exchange(other.length_, 0);
  pages_ = std::exchange(other.pages_, {});
  listener_ = std::exchange(other.listener_, nullptr);
  return *this;
}

void KvSequence::Clear() {
  for (size_t g = 0; g < pages_.size(); ++g) DropFrom(g, 0);
  length_ = 0;
  cache_->LimitIdle();
}

void KvSequence::DropFrom(size_t group, size_t block) {
  std::vector<int32_t>& pages = pages_[group];
  for (size_t b = block; b < pages.size(); ++b) {
    if (pages[b] != kNone) cache_->Release(group, pages[b]);
  }
  pages.resize(std::min(pages.size(), block));
}

uint64_t KvSequence::bytes() const {
  uint64_t total = 0;
  for (size_t g = 0; g < pages_.size(); ++g) {
    const auto there = std::ranges::count_if(pages_[g], [](int32_t page) { return page != kNone; });
    total += static_cast<uint64_t>(there) * cache_->page_bytes(g);
  }
  return total;
}

// The token at position `length` sees [length - window + 1, length].
int64_t KvSequence::FirstNeeded(const KvCache& cache, size_t group, int64_t length) {
  const int64_t window = cache.window(group);
  return window == 0 ? 0 : std::max<int64_t>(0, length - window + 1) / kCacheBlock;
}

int64_t KvSequence::OldestRestorable() const {
  int64_t oldest = 0;
  for (size_t g = 0; g < pages_.size(); ++g) {
    const int64_t gone = FirstBlock(g);
    if (gone > 0) oldest = std::max(oldest, gone * kCacheBlock + cache_->window(g) - 1);
  }
  return std::min(oldest, length_);
}

int64_t KvSequence::FirstBlock(size_t group) const {
  const std::vector<int32_t>& pages = pages_[group];
  return std::ranges::find_if(pages, [](int32_t page) { return page != kNone; }) - pages.begin();
}

void KvSequence::Truncate(int64_t length) {
  Require(length <= length_ && (length == 0 || length >= OldestRestorable()), Status::kInternal,
          "KV sequence: cut from {} to {} tokens, what is left begins at {}", length_, length,
          OldestRestorable());
  for (size_t g = 0; g < pages_.size(); ++g) {
    DropFrom(g, static_cast<size_t>((length + kCacheBlock - 1) / kCacheBlock));
  }
  length_ = length;
  cache_->LimitIdle();
}

KvSequence KvSequence::Fork() const {
  KvSequence copy(cache_);
  copy.pages_ = pages_;
  copy.length_ = length_;
  for (size_t g = 0; g < pages_.size(); ++g) {
    for (const int32_t page : pages_[g]) {
      if (page != kNone) cache_->Share(g, page);
    }
  }
  return copy;
}

void KvSequence::Extend(int64_t tokens) {
  Require(length_ + tokens <= cache_->max_length(), Status::kInternal,
          "KV sequence: {} tokens more than {}, at most {}", tokens, length_, cache_->max_length());
  const int64_t first = length_ / kCacheBlock;  // block that is written
  const int64_t end = (length_ + tokens + kCacheBlock - 1) / kCacheBlock;
  const auto is_copied = [&](size_t g) {
    return first < static_cast<int64_t>(pages_[g].size()) && length_ % kCacheBlock != 0 &&
           cache_->IsShared(g, pages_[g][static_cast<size_t>(first)]);
  };
  const auto wanted = [&] {
    std::vector<int64_t> pages(pages_.size());
    for (size_t g = 0; g < pages_.size(); ++g) {
      pages[g] = std::max<int64_t>(0, end - static_cast<int64_t>(pages_[g].size())) + is_copied(g);
    }
    return pages;
  };
  try {
    cache_->Reserve(wanted());
  } catch (const Error& error) {
    if (error.status() != Status::kOomDevice) throw;
    cache_->Reserve(wanted());  // whom a page was shared with may have given it up meanwhile
  }
  for (size_t g = 0; g < pages_.size(); ++g) {
    if (is_copied(g)) {
      int32_t& page = pages_[g][static_cast<size_t>(first)];
      const int32_t own = cache_->Take(g);
      cache_->CopyPage(g, page, own);
      cache_->Release(g, std::exchange(page, own));
    }
    while (static_cast<int64_t>(pages_[g].size()) < end) pages_[g].push_back(cache_->Take(g));
  }
  cache_->LimitIdle();
}

int64_t KvSequence::FirstKept(const KvCache& cache, size_t group, int64_t length) {
  if (cache.window(group) == 0) return 0;
  return std::max<int64_t>(0, length - cache.kept_positions(group)) / kCacheBlock;
}

void KvSequence::Commit(int64_t tokens) {
  length_ += tokens;
  if (listener_ != nullptr) listener_->OnCommit(*this);
  bool released = false;
  for (size_t g = 0; g < pages_.size(); ++g) {
    for (int64_t b = FirstKept(*cache_, g, length_); b-- > 0;) {
      int32_t& page = pages_[g][static_cast<size_t>(b)];
      if (page == kNone) break;
      cache_->Release(g, std::exchange(page, kNone));
      released = true;
    }
  }
  if (released) cache_->LimitIdle();
}

std::vector<PageTable> KvSequence::Tables(int64_t tokens) const {
  const auto end = static_cast<size_t>((length_ + tokens + kCacheBlock - 1) / kCacheBlock);
  std::vector<PageTable> out;
  for (size_t g = 0; g < pages_.size(); ++g) {
    const auto first = static_cast<size_t>(FirstNeeded(*cache_, g, length_));
    out.push_back({static_cast<int64_t>(first), std::span(pages_[g]).subspan(first, end - first)});
  }
  return out;
}

int32_t KvSequence::page(size_t group, int64_t block) const {
  return pages_[group][static_cast<size_t>(block)];
}

void KvSequence::Adopt(int64_t length, std::vector<std::vector<int32_t>> pages) {
  Require(length_ == 0 && length % kCacheBlock == 0 && pages.size() == pages_.size(),
          Status::kInternal, "KV sequence: {} tokens of {} groups for one of {} tokens", length,
          pages.size(), length_);
  for (size_t g = 0; g < pages_.size(); ++g) DropFrom(g, 0);
  for (size_t g = 0; g < pages.size(); ++g) {
    for (const int32_t page : pages[g]) {
      if (page != kNone) cache_->Share(g, page);
    }
  }
  pages_ = std::move(pages);
  length_ = length;
}

void KvSequence::Allocate(int64_t length, std::span<const int64_t> first_blocks) {
  Require(length_ == 0 && length <= cache_->max_length() && first_blocks.size() == pages_.size(),
          Status::kInternal, "KV sequence: {} tokens of {} groups for one of {} tokens", length,
          first_blocks.size(), length_);
  Clear();
  const int64_t end = (length + kCacheBlock - 1) / kCacheBlock;
  std::vector<int64_t> wanted;
  for (const int64_t first : first_blocks) wanted.push_back(end - first);
  cache_->Reserve(wanted);
  for (size_t g = 0; g < pages_.size(); ++g) {
    pages_[g].assign(static_cast<size_t>(first_blocks[g]), kNone);
    while (static_cast<int64_t>(pages_[g].size()) < end) pages_[g].push_back(cache_->Take(g));
  }
  length_ = length;
}

}  // namespace inference
