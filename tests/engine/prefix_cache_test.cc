#include "engine/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>

#include "support/test_device.h"

namespace inference {
namespace {

using Ids = std::vector<int32_t>;

constexpr LayerCacheSpec kFull{.kv_heads = 2, .head_dim = 32};
constexpr LayerCacheSpec kSliding{.kv_heads = 1, .head_dim = 32, .window = 100};

// Ids of which the first is `begin`; those of the first `common` blocks are the same whatever it
// is.
Ids Text(int64_t blocks, int32_t begin, int64_t common = 0) {
  Ids out(static_cast<size_t>(blocks * kCacheBlock));
  std::iota(out.begin(), out.end(), begin);
  std::iota(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(common * kCacheBlock), 0);
  return out;
}

class PrefixCacheTest : public testing::Test {
 protected:
  // `limit` in bytes of a page of each group.
  void Make(std::vector<LayerCacheSpec> layers, uint64_t limit) {
    prefixes_.reset();
    cache_ = std::make_shared<KvCache>(TestDevice(), std::move(layers), 4096, 256);
    for (size_t g = 0; g < cache_->groups(); ++g) block_ += cache_->page_bytes(g);
    prefixes_ = std::make_unique<PrefixCache>(cache_, limit * block_);
  }

  struct Writer : CommitListener {
    PrefixCache* to = nullptr;
    std::string key;
    Ids ids;
    void OnCommit(const KvSequence& sequence) noexcept override {
      to->Add(key, std::span(ids).first(static_cast<size_t>(sequence.length())), sequence);
    }
  };

  KvSequence Compute(const Ids& ids, const std::string& key = "", int64_t chunk = 64) {
    Writer writer;
    writer.to = prefixes_.get();
    writer.key = key;
    writer.ids = ids;
    KvSequence sequence(cache_);
    sequence.SetListener(&writer);
    while (sequence.length() < static_cast<int64_t>(ids.size())) {
      const int64_t n = std::min(chunk, static_cast<int64_t>(ids.size()) - sequence.length());
      TestDevice()->Run([&] { sequence.Extend(n); });
      sequence.Commit(n);
    }
    sequence.SetListener(nullptr);
    return sequence;
  }

  int64_t Found(const Ids& ids, const std::string& key = "") {
    const auto found = prefixes_->Find(key, ids, 0, true);
    return found ? found->length() / kCacheBlock : 0;
  }

  std::shared_ptr<KvCache> cache_;
  std::unique_ptr<PrefixCache> prefixes_;
  uint64_t block_ = 0;
};

TEST_F(PrefixCacheTest, FindsWholeBlocksOfTheSameBeginningAndAdapters) {
  Make({kFull, kSliding}, 100);
  Ids ids = Text(3, 0);
  ids.resize(170);
  Compute(ids);
  EXPECT_EQ(Found(ids), 2);
  EXPECT_EQ(Found(Text(9, 0)), 2);
  EXPECT_EQ(Found(Text(9, 500, 1)), 1);
  EXPECT_EQ(Found(Text(2, 1)), 0);
  EXPECT_EQ(Found(ids, "other"), 0);
  EXPECT_EQ(Found({}), 0);
  Ids near = Text(2, 0);
  near[127] += 1;
  EXPECT_EQ(Found(near), 1);
  near[0] += 1;
  EXPECT_EQ(Found(near), 0);
  // The second block by itself is another text.
  EXPECT_EQ(Found(Ids(ids.begin() + 64, ids.begin() + 128)), 0);
  const PrefixCacheStats stats = prefixes_->stats();
  EXPECT_EQ(stats.blocks, 2u);
  EXPECT_EQ(stats.bytes, 2 * block_);
  EXPECT_EQ(stats.hits, 4u);
  EXPECT_EQ(stats.misses, 4u);  // a text without a whole block is neither
  EXPECT_EQ(stats.hit_tokens, 6u * 64);
  EXPECT_EQ(stats.evictions, 0u);
}

TEST_F(PrefixCacheTest, NothingIsTakenThatIsNotMoreThanWhatIsHeld) {
  Make({kFull}, 100);
  const Ids ids = Text(2, 0);
  Compute(ids);
  EXPECT_FALSE(prefixes_->Find("", ids, 128, true).has_value());
  EXPECT_FALSE(prefixes_->Find("", Text(3, 0), 129, false).has_value());
  EXPECT_EQ(prefixes_->stats().misses, 0u);
  EXPECT_FALSE(prefixes_->Find("", Text(3, 0), 129, true).has_value());
  EXPECT_EQ(prefixes_->stats().misses, 1u);
  EXPECT_EQ(prefixes_->Find("", ids, 127, true)->length(), 128);
  EXPECT_EQ(prefixes_->stats().hit_tokens, 1u);
}

TEST_F(PrefixCacheTest, WhatIsUnusedLongestGoesFirstEndsBeforeBeginnings) {
  Make({kFull, kSliding}, 4);
  Compute(Text(2, 1000));
  Compute(Text(2, 2000));
  EXPECT_EQ(cache_->used_bytes(), 4 * block_);
  EXPECT_EQ(Found(Text(2, 1000)), 2);
  Compute(Text(1, 3000));
  EXPECT_EQ(cache_->used_bytes(), 4 * block_);
  EXPECT_EQ(Found(Text(2, 2000)), 1);
  EXPECT_EQ(Found(Text(2, 1000)), 2);
  EXPECT_EQ(Found(Text(1, 3000)), 1);
  Compute(Text(2, 4000));  // in turn: 2000, the end of 1000
  EXPECT_EQ(Found(Text(2, 2000)), 0);
  EXPECT_EQ(Found(Text(2, 1000)), 1);
  EXPECT_EQ(Found(Text(2, 4000)), 2);
  EXPECT_EQ(prefixes_->stats().evictions, 3u);
  EXPECT_EQ(cache_->used_bytes(), 4 * block_);
}

// A text that is longer than the budget leaves its beginning.
TEST_F(PrefixCacheTest, PagesOfALiveSequenceCostNothing) {
  Make({kFull}, 2);
  {
    const KvSequence sequence = Compute(Text(6, 0));
    EXPECT_EQ(cache_->idle_bytes(), 0u);
    EXPECT_EQ(Found(Text(6, 0)), 6);
    EXPECT_EQ(cache_->used_bytes(), sequence.bytes());
  }
  EXPECT_EQ(cache_->used_bytes(), 2 * block_);
  EXPECT_EQ(Found(Text(6, 0)), 2);
  // Others that are used less than it do not drive it out, either.
  const KvSequence sequence = Compute(Text(3, 0));
  for (int32_t i = 1; i < 5; ++i) Compute(Text(2, 1000 * i));
  EXPECT_EQ(Found(Text(3, 0)), 3);
}

TEST_F(PrefixCacheTest, AHitHasAllPagesThatTheWindowsSee) {
  Make({kFull, kSliding}, 1);
  const uint64_t full = cache_->page_bytes(0), sliding = cache_->page_bytes(1);
  prefixes_ = nullptr;
  prefixes_ = std::make_unique<PrefixCache>(cache_, 3 * sliding);
  // A step of four blocks leaves some of them behind the window at once: they are kept, too.
  const KvSequence live = Compute(Text(10, 0), "", 256);
  EXPECT_EQ(live.page(1, 6), -1);  // 132 positions behind 640 are kept
  EXPECT_EQ(cache_->used_bytes(), live.bytes() + 3 * sliding);
  EXPECT_EQ(Found(Text(10, 0)), 10);
  EXPECT_EQ(Found(Text(9, 0)), 3);  // the windows before 9 and down to 4 are gone
  EXPECT_EQ(Found(Text(3, 0)), 3);
  const auto found = prefixes_->Find("", Text(3, 0), 0, true);
  for (int64_t b = 0; b < 3; ++b) EXPECT_GE(found->page(1, b), 0);
  EXPECT_EQ(found->OldestRestorable(), 0);
  const auto end = prefixes_->Find("", Text(10, 0), 0, true);
  EXPECT_EQ(end->OldestRestorable(), live.OldestRestorable());
  EXPECT_EQ(end->bytes(), live.bytes());
  EXPECT_EQ(full * 10 + sliding * 3, live.bytes());
}

TEST_F(PrefixCacheTest, WindowsThatWereLostAreFilledAgain) {
  Make({kFull, kSliding}, 1);
  const uint64_t sliding = cache_->page_bytes(1);
  prefixes_ = nullptr;
  prefixes_ = std::make_unique<PrefixCache>(cache_, 3 * sliding);
  const KvSequence live = Compute(Text(10, 0));
  EXPECT_EQ(Found(Text(7, 0)), 3);
  const KvSequence again = Compute(Text(7, 0));
  EXPECT_EQ(Found(Text(7, 0)), 7);
  EXPECT_EQ(Found(Text(10, 0)), 10);
}

TEST_F(PrefixCacheTest, ClearGivesBackAll) {
  Make({kFull, kSliding}, 100);
  Compute(Text(5, 0));
  {
    const KvSequence live = Compute(Text(3, 0));
    prefixes_->Clear();
    EXPECT_EQ(cache_->used_bytes(), live.bytes());
    EXPECT_EQ(Found(Text(5, 0)), 0);
  }
  EXPECT_EQ(cache_->used_bytes(), 0u);
  Compute(Text(5, 0));
  prefixes_.reset();
  EXPECT_EQ(cache_->used_bytes(), 0u);
}

}  // namespace
}  // namespace inference
