#include "ops/kv_page.h"

#include <gtest/gtest.h>

#include <vector>

#include "ops/attention.h"
#include "support/expect_error.h"

namespace inference {
namespace {

constexpr int64_t kSlots = 64;

// Where the value of a column is, and where its scale is (as halves), by cl/kv_cache.cl.
struct Place {
  size_t value, scale;
};
Place PlaceOf(const KvPage& page, int64_t head, int64_t slot, int64_t column) {
  const int64_t E16 = (page.head_dim + 15) / 16 * 16, blocks = (E16 + 31) / 32;
  const bool is_q8 = page.type == DType::kQ8_0;
  const int64_t size = page.type == DType::kF32 ? 4 : is_q8 ? 1 : 2;
  const int64_t head_bytes = kSlots * (E16 * size + (is_q8 ? 2 * blocks : 0));
  const int64_t index =
      page.is_keys ? (slot / 16 * E16 + column) * 16 + slot % 16 : slot * E16 + column;
  return {static_cast<size_t>(head * head_bytes + index * size),
          static_cast<size_t>(head * head_bytes + kSlots * E16 * size +
                              2 * (column / 32 * kSlots + slot))};
}

std::vector<KvPage> Pages() {
  std::vector<KvPage> out;
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    for (const bool is_keys : {true, false}) {
      for (const int64_t head_dim : {16, 20, 32, 40, 64})
        out.push_back({3, head_dim, type, is_keys});
    }
  }
  return out;
}

uint64_t BytesOf(const KvPage& page) {
  return CacheBytes(kSlots, page.kv_heads, page.head_dim, page.type);
}

TEST(KvPage, ClearsTheSlotsFromOneOn) {
  for (const KvPage& page : Pages()) {
    for (const int64_t first : {0, 1, 15, 16, 17, 63, 64}) {
      std::vector<std::byte> bytes(BytesOf(page), std::byte{1});
      ClearSlots(page, bytes, first);
      const size_t size = page.type == DType::kF32 ? 4 : page.type == DType::kQ8_0 ? 1 : 2;
      uint64_t cleared = 0;
      for (const std::byte byte : bytes) cleared += byte == std::byte{0};
      EXPECT_EQ(cleared, bytes.size() / kSlots * static_cast<uint64_t>(kSlots - first));
      for (int64_t slot = 0; slot < kSlots; ++slot) {
        const std::byte want{slot < first};
        for (int64_t column = 0; column < (page.head_dim + 15) / 16 * 16; ++column) {
          const Place at = PlaceOf(page, 2, slot, column);
          for (size_t i = 0; i < size; ++i) ASSERT_EQ(bytes[at.value + i], want);
          if (page.type == DType::kQ8_0) {
            ASSERT_EQ(bytes[at.scale], want) << slot;
          }
        }
      }
    }
  }
}

TEST(KvPage, FindsWhatIsNoNumber) {
  for (const KvPage& page : Pages()) {
    std::vector<std::byte> bytes(BytesOf(page), std::byte{0x7B});  // large, but numbers
    EXPECT_TRUE(IsFinite(page, bytes));
    const Place at = PlaceOf(page, 2, 63, page.head_dim - 1);
    const size_t of_float = at.value + (page.type == DType::kF32 ? 2 : 0);
    const size_t exponent = page.type == DType::kQ8_0 ? at.scale : of_float;
    bytes[exponent] = std::byte{0x80};  // the infinite exponent of floats and halves
    bytes[exponent + 1] = std::byte{0x7F};
    EXPECT_FALSE(IsFinite(page, bytes));
  }
}

TEST(KvPage, RefusesAnotherSize) {
  std::vector<std::byte> bytes(100);
  ExpectError(Status::kInternal, {"KV page: 100 bytes, want"}, [&] {
    ClearSlots({1, 16, DType::kF32, true}, bytes, 0);
  });
  ExpectError(Status::kInternal, {"KV page: 100 bytes, want"}, [&] {
    IsFinite({1, 16, DType::kF32, true}, bytes);
  });
}

}  // namespace
}  // namespace inference
