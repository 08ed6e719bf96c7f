// Against the vector of RFC 7693 and what other implementations say of lengths around a block.
#include "util/blake2b.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace inference {
namespace {

std::vector<std::byte> Counted(size_t bytes) {
  std::vector<std::byte> out;
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::byte>(i % 251));
  return out;
}

TEST(Blake2bTest, GivesTheVectorOfTheRfc) {
  Blake2b hash(64);
  hash.Add(std::as_bytes(std::span("abc", 3)));
  EXPECT_EQ(hash.Finish(),
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

TEST(Blake2bTest, LengthsAroundABlock) {
  const std::pair<size_t, const char*> cases[] = {
      {0, "cae66941d9efbd404e4d88758ea67670"},   {1, "7025e075d5e2f6cde3cc051a31f07660"},
      {127, "28b1296c7d4807883de6ee4ec04dcc0a"}, {128, "a74787004ef589e31149183900d0294a"},
      {129, "aaf1b0371f6d4ee49ee4fb5ddd9c49ef"}, {256, "1142c504dcd26338b7cbcf41424540d0"},
      {1000, "bca120dfd89cd95d82898473a5b01c90"}};
  for (const auto& [bytes, want] : cases) {
    Blake2b hash(16);
    hash.Add(Counted(bytes));
    EXPECT_EQ(hash.Finish(), want) << bytes;
  }
}

TEST(Blake2bTest, PiecesGiveWhatTheWholeDoes) {
  const std::vector<std::byte> data = Counted(1000);
  for (const size_t step : {1, 7, 128, 300}) {
    Blake2b hash(16);
    for (size_t at = 0; at < data.size(); at += step) {
      hash.Add(std::span(data).subspan(at, std::min(step, data.size() - at)));
    }
    EXPECT_EQ(hash.Finish(), "bca120dfd89cd95d82898473a5b01c90") << step;
  }
}

}  // namespace
}  // namespace inference
