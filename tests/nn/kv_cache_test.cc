#include "nn/kv_cache.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/test_device.h"

namespace inference {
namespace {

constexpr LayerCacheSpec kFull{.kv_heads = 2, .head_dim = 20};
constexpr LayerCacheSpec kSliding{.kv_heads = 1, .head_dim = 16, .window = 100};

bool Reserve(KvCache& cache, int64_t length) {
  return TestDevice()->Run([&] { return cache.Reserve(length); });
}

TEST(KvCache, GrowsInDoublingStepsToItsLimits) {
  KvCache cache(TestDevice(), {kFull, kSliding}, /*max_length=*/1000, /*max_chunk=*/30);
  EXPECT_EQ(cache.bytes(), 0u);
  EXPECT_TRUE(Reserve(cache, 1));
  EXPECT_EQ(cache.layer(0).capacity, 256);
  EXPECT_EQ(cache.layer(0).window, 0);
  EXPECT_EQ(cache.layer(1).capacity, 192);  // 100 + 30, in blocks of 64
  EXPECT_EQ(cache.layer(1).window, 100);
  EXPECT_EQ(cache.bytes(), 2u * (256 * 2 * 32 + 192 * 16) * sizeof(float));
  EXPECT_FALSE(Reserve(cache, 256));
  EXPECT_TRUE(Reserve(cache, 257));
  EXPECT_EQ(cache.layer(0).capacity, 512);
  EXPECT_TRUE(Reserve(cache, 600));
  EXPECT_EQ(cache.layer(0).capacity, 1024);  // 1000, in blocks of 64
  EXPECT_EQ(cache.layer(1).capacity, 192);
  EXPECT_FALSE(Reserve(cache, 1000));
  EXPECT_FALSE(Reserve(cache, 5));
  ExpectError(Status::kInternal, {"KV cache: 1001 positions wanted, it holds at most 1000"},
              [&] { Reserve(cache, 1001); });
}

TEST(KvCache, StepsMayBeSkipped) {
  KvCache cache(TestDevice(), {kFull}, 100000, 10);
  EXPECT_TRUE(Reserve(cache, 3000));
  EXPECT_EQ(cache.layer(0).capacity, 4096);
}

TEST(KvCache, AWindowBeyondTheLengthIsFullAttention) {
  KvCache cache(TestDevice(), {{.kv_heads = 1, .head_dim = 8, .window = 1 << 20}}, 70, 16);
  EXPECT_TRUE(Reserve(cache, 70));
  EXPECT_EQ(cache.layer(0).capacity, 128);
  EXPECT_EQ(cache.OldestRestorable(70), 0);
}

TEST(KvCache, RingsGrowToo) {
  KvCache cache(TestDevice(), {{.kv_heads = 1, .head_dim = 8, .window = 1000}}, 100000, 24);
  EXPECT_TRUE(Reserve(cache, 10));
  EXPECT_EQ(cache.layer(0).capacity, 256);
  EXPECT_TRUE(Reserve(cache, 600));
  EXPECT_EQ(cache.layer(0).capacity, 1024);
  EXPECT_FALSE(Reserve(cache, 99999));
}

TEST(KvCache, GrowthKeepsWhatIsThereAndTheRestIsZero) {
  KvCache cache(TestDevice(), {kFull}, 1000, 30);
  Reserve(cache, 1);
  constexpr size_t kHeads = 2, kPadded = 32;
  const auto fill = [&](const Buffer& buffer, float first) {
    std::vector<float> values(buffer.size() / sizeof(float));
    for (size_t i = 0; i < values.size(); ++i) values[i] = first + static_cast<float>(i);
    TestDevice()->Run([&] { TestDevice()->Write(buffer, 0, std::as_bytes(std::span(values))); });
    return values;
  };
  const std::vector<float> keys = fill(cache.layer(0).keys, 1.0f);
  const std::vector<float> values = fill(cache.layer(0).values, 0.5f);
  Reserve(cache, 300);
  // Both layouts keep the slots of a head in order, so a head's old part is its new beginning.
  const auto check = [&](const Buffer& buffer, const std::vector<float>& old) {
    const std::vector<float> grown = Download(buffer, kHeads * 512 * kPadded);
    for (size_t h = 0; h < kHeads; ++h) {
      for (size_t i = 0; i < 512 * kPadded; ++i) {
        const float want = i < 256 * kPadded ? old[h * 256 * kPadded + i] : 0.0f;
        ASSERT_EQ(grown[h * 512 * kPadded + i], want) << "head " << h << " at " << i;
      }
    }
  };
  check(cache.layer(0).keys, keys);
  check(cache.layer(0).values, values);
}

TEST(KvCache, HalvesTakeHalfTheMemoryAndGrowAlike) {
  const std::vector<LayerCacheSpec> floats = {kFull, kSliding};
  const std::vector<LayerCacheSpec> halves = WithType(floats, DType::kF16);
  EXPECT_EQ(2 * KvBytesPerToken(halves), KvBytesPerToken(floats));
  EXPECT_EQ(2 * FullKvBytes(halves, 1000, 30), FullKvBytes(floats, 1000, 30));
  EXPECT_EQ(2 * OldKvBytes(halves, 1000, 30), OldKvBytes(floats, 1000, 30));
  KvCache cache(TestDevice(), halves, 1000, 30);
  Reserve(cache, 1);
  EXPECT_EQ(cache.layer(0).type, DType::kF16);
  std::vector<uint16_t> old(2 * 256 * 32);  // [heads, slots, padded]
  for (size_t i = 0; i < old.size(); ++i) old[i] = static_cast<uint16_t>(i + 1);
  const Buffer values = cache.layer(0).values;
  ASSERT_EQ(values.size(), old.size() * sizeof(uint16_t));
  TestDevice()->Run([&] { TestDevice()->Write(values, 0, std::as_bytes(std::span(old))); });
  Reserve(cache, 1000);
  EXPECT_EQ(cache.bytes(), FullKvBytes(halves, 1000, 30));
  std::vector<uint16_t> grown(2 * 1024 * 32);
  TestDevice()->Run([&] {
    TestDevice()->Read(cache.layer(0).values, 0, std::as_writable_bytes(std::span(grown)));
  });
  for (size_t i = 0; i < grown.size(); ++i) {
    const size_t head = i / (1024 * 32), at = i % (1024 * 32);
    ASSERT_EQ(grown[i], at < 256 * 32 ? old[head * 256 * 32 + at] : 0) << i;
  }
}

TEST(KvCache, RingsForgetWhatALaterTokenOverwrote) {
  KvCache cache(TestDevice(), {kFull, kSliding}, 1000, 30);
  Reserve(cache, 500);
  EXPECT_EQ(cache.OldestRestorable(0), 0);
  EXPECT_EQ(cache.OldestRestorable(192), 0);  // the ring has not turned yet
  // 193 tokens: position 0 is gone, so the first whole window is that of the token at 100.
  EXPECT_EQ(cache.OldestRestorable(193), 100);
  EXPECT_EQ(cache.OldestRestorable(500), 500 - 192 + 99);
}

TEST(KvCache, WithoutMemoryItStaysAsItWas) {
  const DeviceList list = ListDevices();
  const auto device = Device::Open(list.devices.at(DefaultDevice(list)), {.memory_limit = 1 << 20},
                                   std::make_shared<Logger>());
  KvCache cache(device, {kFull, kFull}, 100000, 30);
  device->Run([&] { EXPECT_TRUE(cache.Reserve(256)); });
  const CacheView before = cache.layer(0);
  const uint64_t bytes = cache.bytes();
  ExpectError(Status::kOomDevice, {}, [&] { device->Run([&] { cache.Reserve(100000); }); });
  EXPECT_EQ(cache.bytes(), bytes);
  EXPECT_EQ(cache.layer(0).keys.handle(), before.keys.handle());
  device->Run([&] { EXPECT_FALSE(cache.Reserve(256)); });
}

TEST(KvCache, SizesThatCannotBe) {
  ExpectError(Status::kLimit, {"KV cache: 2147483648 positions in chunks of 1, want 1..1073741824"},
              [] { KvCache(TestDevice(), {kFull}, int64_t{1} << 31, 1); });
  ExpectError(Status::kLimit, {"KV cache: 0 positions"},
              [] { KvCache(TestDevice(), {kFull}, 0, 1); });
  ExpectError(Status::kLimit, {"KV cache: 1073741824 positions of 1099511627776 heads"}, [] {
    KvCache(TestDevice(), {{.kv_heads = int64_t{1} << 40, .head_dim = 1024}}, 1 << 30, 1);
  });
}

}  // namespace
}  // namespace inference
