#include "nn/kv_cache.h"

#include <gtest/gtest.h>

#include "nn/kv_sequence.h"
#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr LayerCacheSpec kFull{.kv_heads = 2, .head_dim = 20};
constexpr LayerCacheSpec kSliding{.kv_heads = 1, .head_dim = 16, .window = 100};

std::shared_ptr<KvCache> MakeCache(std::vector<LayerCacheSpec> layers, int64_t max_length = 1000,
                                   int64_t max_chunk = 30) {
  return std::make_shared<KvCache>(TestDevice(), std::move(layers), max_length, max_chunk);
}

void Grow(KvSequence& sequence, int64_t tokens) {
  TestDevice()->Run([&] { sequence.Extend(tokens); });
  sequence.Commit(tokens);
}

// Fills a page with one value, and tells whether it still holds it.
void Fill(KvCache& cache, size_t group, int32_t page, std::byte value) {
  const std::vector<std::byte> bytes(cache.page_bytes(group), value);
  TestDevice()->Run([&] { cache.WritePage(group, page, bytes); });
}
bool Holds(const KvCache& cache, size_t group, int32_t page, std::byte value) {
  const auto bytes = TestDevice()->Run([&] { return cache.ReadPage(group, page); });
  return std::ranges::all_of(bytes, [&](std::byte b) { return b == value; });
}

TEST(KvCache, LayersOfOneWindowShareAPageTable) {
  const auto cache = MakeCache({kFull, kSliding, kFull, kSliding, kSliding});
  ASSERT_EQ(cache->groups(), 2u);
  EXPECT_EQ(cache->window(0), 0);
  EXPECT_EQ(cache->window(1), 100);
  EXPECT_EQ(cache->page_bytes(0), 2u * 2 * 64 * 2 * 32 * sizeof(float));  // head_dim padded to 32
  EXPECT_EQ(cache->page_bytes(1), 3u * 2 * 64 * 16 * sizeof(float));
  EXPECT_EQ(cache->layer(3).group, 1);
  EXPECT_EQ(cache->bytes(), 0u);
  // A window that nothing leaves is full attention.
  EXPECT_EQ(MakeCache({kFull, {.kv_heads = 1, .head_dim = 8, .window = 1000}})->groups(), 1u);
}

TEST(KvCache, GrowsByDoublingUpToWhatOneSequenceUses) {
  const auto cache = MakeCache({kFull, kSliding});
  KvSequence sequence(cache);
  Grow(sequence, 1);
  EXPECT_EQ(cache->bytes(), 4 * (cache->page_bytes(0) + cache->page_bytes(1)));
  EXPECT_EQ(cache->used_bytes(), cache->page_bytes(0) + cache->page_bytes(1));
  const uint64_t version = cache->version();
  for (int i = 0; i < 33; ++i) Grow(sequence, 30);
  EXPECT_EQ(sequence.length(), 991);
  EXPECT_GT(cache->version(), version);
  EXPECT_EQ(cache->bytes(), FullKvBytes({kFull, kSliding}, 1000, 30));
  ExpectError(Status::kInternal, {"KV sequence: 10 tokens more than 991, at most 1000"},
              [&] { Grow(sequence, 10); });
  KvSequence other(cache);
  Grow(other, 1);  // beyond one sequence: half as much again
  EXPECT_GT(cache->bytes(), FullKvBytes({kFull, kSliding}, 1000, 30));
}

TEST(KvCache, GrowthKeepsWhatIsThere) {
  const auto cache = MakeCache({kFull, kFull});
  KvSequence sequence(cache);
  Grow(sequence, 30);
  Fill(*cache, 0, sequence.page(0, 0), std::byte{7});
  for (int i = 0; i < 20; ++i) Grow(sequence, 30);
  EXPECT_TRUE(Holds(*cache, 0, sequence.page(0, 0), std::byte{7}));
  EXPECT_TRUE(Holds(*cache, 0, sequence.page(0, 9), std::byte{0}));
}

TEST(KvCache, HalvesTakeHalfTheMemory) {
  const std::vector<LayerCacheSpec> floats = {kFull, kSliding};
  const std::vector<LayerCacheSpec> halves = WithType(floats, DType::kF16);
  EXPECT_EQ(2 * KvBytesPerToken(halves), KvBytesPerToken(floats));
  EXPECT_EQ(2 * FullKvBytes(halves, 1000, 30), FullKvBytes(floats, 1000, 30));
  EXPECT_EQ(2 * OldKvBytes(halves, 1000, 30), OldKvBytes(floats, 1000, 30));
  EXPECT_EQ(2 * MakeCache(halves)->page_bytes(1), MakeCache(floats)->page_bytes(1));
}

// Heads of 20 are padded to 32 columns, one block; those of 16 are half a block. A scale is 2
// bytes.
TEST(KvCache, BytesOfQ8CountTheirScales) {
  const std::vector<LayerCacheSpec> bytes = WithType({kFull, kSliding}, DType::kQ8_0);
  EXPECT_EQ(KvBytesPerToken(bytes), 2u * 2 * (32 + 2));
  const auto cache = MakeCache(bytes);
  EXPECT_EQ(cache->page_bytes(0), 64u * 2 * 2 * (32 + 2));
  EXPECT_EQ(cache->page_bytes(1), 64u * 2 * 1 * (16 + 2));
  const uint64_t full = 16 * cache->page_bytes(0), sliding = 4 * cache->page_bytes(1);
  EXPECT_EQ(FullKvBytes(bytes, 1000, 30), full + sliding);
  EXPECT_EQ(OldKvBytes(bytes, 1000, 30), full);
}

// Scales are in the page: a fork's copy has them.
TEST(KvCache, PagesOfQ8AreCopiedWhole) {
  const auto cache = MakeCache(WithType({kFull, kSliding}, DType::kQ8_0));
  KvSequence first(cache);
  Grow(first, 30);
  for (size_t g = 0; g < 2; ++g) Fill(*cache, g, first.page(g, 0), std::byte{9});
  KvSequence second = first.Fork();
  Grow(second, 1);
  for (size_t g = 0; g < 2; ++g) {
    EXPECT_NE(second.page(g, 0), first.page(g, 0));
    EXPECT_TRUE(Holds(*cache, g, second.page(g, 0), std::byte{9}));
  }
}

TEST(KvSequence, WindowsLeaveWhatIsBehindThem) {
  const auto cache = MakeCache({kFull, kSliding});
  KvSequence sequence(cache);
  for (int i = 0; i < 6; ++i) Grow(sequence, 30);
  EXPECT_EQ(sequence.OldestRestorable(), 0);
  Grow(sequence, 30);  // 210: of the window's 100, and 32 more, the first page is left
  EXPECT_EQ(sequence.page(1, 0), -1);
  EXPECT_GE(sequence.page(1, 1), 0);
  EXPECT_GE(sequence.page(0, 0), 0);
  EXPECT_EQ(sequence.OldestRestorable(), 64 + 99);
  EXPECT_EQ(sequence.bytes(), 4 * cache->page_bytes(0) + 3 * cache->page_bytes(1));
  const auto tables = sequence.Tables(5);
  EXPECT_EQ(tables[0].first_block, 0);
  EXPECT_EQ(tables[0].pages.size(), 4u);
  EXPECT_EQ(tables[1].first_block, 1);  // the token at 210 sees 111 on
  EXPECT_EQ(tables[1].pages.size(), 3u);
  ExpectError(Status::kInternal, {"cut from 210 to 162 tokens, what is left begins at 163"},
              [&] { sequence.Truncate(162); });
  sequence.Truncate(163);
  EXPECT_EQ(sequence.length(), 163);
  sequence.Truncate(0);
  EXPECT_EQ(sequence.bytes(), 0u);
  EXPECT_EQ(cache->used_bytes(), 0u);
}

TEST(KvSequence, ForksShareUntilOneWrites) {
  const auto cache = MakeCache({kFull, kSliding});
  KvSequence first(cache);
  Grow(first, 30);
  Grow(first, 30);
  Grow(first, 30);  // 90: a page and a half
  for (size_t g = 0; g < 2; ++g) {
    Fill(*cache, g, first.page(g, 0), std::byte{1});
    Fill(*cache, g, first.page(g, 1), std::byte{2});
  }
  const uint64_t used = cache->used_bytes();
  KvSequence second = first.Fork();
  EXPECT_EQ(second.length(), 90);
  EXPECT_EQ(cache->used_bytes(), used);
  Grow(second, 1);
  EXPECT_EQ(second.page(0, 0), first.page(0, 0));
  EXPECT_NE(second.page(0, 1), first.page(0, 1));  // its own copy, to write to
  EXPECT_TRUE(Holds(*cache, 0, second.page(0, 1), std::byte{2}));
  EXPECT_TRUE(Holds(*cache, 1, second.page(1, 1), std::byte{2}));
  const int32_t own = first.page(0, 1);
  Grow(first, 1);
  EXPECT_EQ(first.page(0, 1), own);  // nobody else has it any more
  first.Truncate(0);
  EXPECT_TRUE(Holds(*cache, 0, second.page(0, 0), std::byte{1}));
  second = KvSequence(cache);
  EXPECT_EQ(cache->used_bytes(), 0u);
}

TEST(KvSequence, AdoptsPagesOfOthers) {
  const auto cache = MakeCache({kFull, kSliding});
  KvSequence sequence(cache);
  {
    KvSequence source(cache);
    for (int i = 0; i < 5; ++i) Grow(source, 30);
    sequence.Adopt(128, {{source.page(0, 0), source.page(0, 1)}, {-1, source.page(1, 1)}});
    ExpectError(Status::kInternal, {"KV sequence: 64 tokens of 2 groups for one of 128"}, [&] {
      sequence.Adopt(64, {{0}, {0}});
    });
  }
  EXPECT_EQ(sequence.length(), 128);
  EXPECT_EQ(cache->used_bytes(), 2 * cache->page_bytes(0) + cache->page_bytes(1));
  Grow(sequence, 1);
  EXPECT_EQ(sequence.Tables(1)[1].pages.size(), 3u);
}

// Keeps pages in the order of Add, and gives up the first ones first.
struct Keeper : PageKeeper {
  explicit Keeper(KvCache& of) : cache(of) {}
  void Add(const KvSequence& sequence, int64_t block) {
    pages.push_back(sequence.page(0, block));
    cache.Keep(0, pages.back());
  }
  void GiveBack(const std::function<bool()>& enough) noexcept override {
    ++calls;
    for (; !pages.empty() && !enough(); pages.erase(pages.begin())) cache.Unkeep(0, pages[0]);
  }
  KvCache& cache;
  std::vector<int32_t> pages;
  int calls = 0;
};

TEST(KvCache, WhatOnlyTheKeeperHasIsLimited) {
  const auto cache = MakeCache({kFull});
  const uint64_t page = cache->page_bytes(0);
  Keeper keeper(*cache);
  cache->SetKeeper(&keeper, page);
  {
    KvSequence sequence(cache);
    for (int i = 0; i < 5; ++i) Grow(sequence, 30);
    keeper.Add(sequence, 0);
    keeper.Add(sequence, 1);
    EXPECT_EQ(cache->idle_bytes(), 0u);
    const KvSequence fork = sequence.Fork();
    sequence.Truncate(64);
    EXPECT_EQ(cache->idle_bytes(), 0u);
    EXPECT_EQ(cache->used_bytes(), 3 * page);
  }
  EXPECT_EQ(keeper.calls, 1);
  EXPECT_EQ(keeper.pages.size(), 1u);
  EXPECT_EQ(cache->idle_bytes(), page);
  EXPECT_EQ(cache->used_bytes(), page);
  KvSequence sequence(cache);
  sequence.Adopt(64, {{keeper.pages[0]}});
  EXPECT_EQ(cache->idle_bytes(), 0u);
  cache->Unkeep(0, keeper.pages[0]);
  EXPECT_EQ(cache->used_bytes(), page);
  keeper.pages.clear();
  cache->SetKeeper(nullptr, 0);
}

TEST(KvCache, KeptPagesAreGivenUpWhereRoomIsShort) {
  const uint64_t page = MakeCache({kFull})->page_bytes(0);
  const auto cache =
      std::make_shared<KvCache>(TestDevice(), std::vector{kFull}, 1000, 30, 6 * page);
  Keeper keeper(*cache);
  cache->SetKeeper(&keeper, 100 * page);
  {
    KvSequence sequence(cache);
    for (int i = 0; i < 11; ++i) Grow(sequence, 30);
    for (int64_t b = 0; b < 5; ++b) keeper.Add(sequence, b);
  }
  EXPECT_EQ(cache->used_bytes(), 5 * page);
  KvSequence sequence(cache);
  Grow(sequence, 64);
  EXPECT_EQ(keeper.calls, 0);
  Grow(sequence, 100);
  EXPECT_EQ(keeper.calls, 1);
  EXPECT_EQ(keeper.pages.size(), 3u);
  EXPECT_EQ(cache->used_bytes(), 6 * page);
  ExpectError(Status::kOomDevice, {"kv_limit"}, [&] { Grow(sequence, 300); });
  EXPECT_EQ(sequence.length(), 164);
  EXPECT_TRUE(keeper.pages.empty());
  cache->SetKeeper(nullptr, 0);
}

TEST(KvCache, GivesBackWhatNoPageNeeds) {
  const auto cache = MakeCache({kFull, kSliding});
  KvSequence first(cache);
  Grow(first, 30);
  {
    KvSequence second(cache);
    for (int i = 0; i < 20; ++i) Grow(second, 30);
  }
  Fill(*cache, 0, first.page(0, 0), std::byte{5});
  const uint64_t before = cache->bytes(), version = cache->version();
  TestDevice()->Run([&] { cache->GiveBack(); });
  EXPECT_LT(cache->bytes(), before);
  EXPECT_EQ(cache->bytes(), first.bytes());
  EXPECT_GT(cache->version(), version);
  EXPECT_TRUE(Holds(*cache, 0, first.page(0, 0), std::byte{5}));
  Grow(first, 200);
  EXPECT_TRUE(Holds(*cache, 0, first.page(0, 0), std::byte{5}));
  first.Truncate(0);
  TestDevice()->Run([&] { cache->GiveBack(); });
  EXPECT_EQ(cache->bytes(), 0u);
  EXPECT_EQ(cache->layer(1).keys.size(), 0u);
}

TEST(KvCache, WithoutMemoryItStaysUsable) {
  const DeviceList list = ListDevices();
  const auto device = Device::Open(list.devices.at(DefaultDevice(list)), {.memory_limit = 1 << 20},
                                   std::make_shared<Logger>());
  const auto cache = std::make_shared<KvCache>(device, std::vector{kFull, kFull}, 100000, 30);
  KvSequence sequence(cache);
  device->Run([&] { sequence.Extend(30); });
  sequence.Commit(30);
  ExpectError(Status::kOomDevice, {}, [&] { device->Run([&] { sequence.Extend(90000); }); });
  EXPECT_EQ(sequence.length(), 30);
  EXPECT_EQ(sequence.bytes(), cache->page_bytes(0));
  device->Run([&] { sequence.Extend(100); });
  EXPECT_EQ(sequence.bytes(), 3 * cache->page_bytes(0));
}

TEST(KvCache, SizesThatCannotBe) {
  ExpectError(Status::kLimit, {"KV cache: 2147483648 positions in chunks of 1, want 1..1073741824"},
              [] { MakeCache({kFull}, int64_t{1} << 31, 1); });
  ExpectError(Status::kLimit, {"KV cache: 0 positions"}, [] { MakeCache({kFull}, 0, 1); });
  ExpectError(Status::kLimit, {"positions of 1099511627776 heads"},
              [] { MakeCache({{.kv_heads = int64_t{1} << 40, .head_dim = 1024}}, 1 << 30, 1); });
}

}  // namespace
}  // namespace inference
