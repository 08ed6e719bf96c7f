// Files that change, are cut off, or are noise; each rule of the format is tested through the C
// API: tests/capi/malformed_gguf_test.cc.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "formats/gguf.h"
#include "support/expect_error.h"
#include "support/gguf_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

using W = GgufWriter;

class GgufMalformed : public testing::Test {
 protected:
  TempDir dir_;
};

TEST_F(GgufMalformed, EveryTruncation) {
  const std::string file = W().U32("n", 7)
                               .Alignment(8)
                               .String("s", "text")
                               .Strings("t", {"a", "bb"})
                               .F32s("f", {1, 2})
                               .Tensor("a", W::kTensorF16, {2, 2}, "aaaaaaaa")
                               .Tensor("b", W::kTensorI8, {3}, "bbb")
                               .Build();
  EXPECT_NO_THROW(OpenGguf(dir_.Write("ok.gguf", file)));
  for (size_t bytes = 0; bytes < file.size(); ++bytes) {
    const std::string path = dir_.Write("bad.gguf", file.substr(0, bytes));
    try {
      OpenGguf(path);
      ADD_FAILURE() << "opened with " << bytes << " bytes";
    } catch (const Error& error) {
      EXPECT_TRUE(error.status() == Status::kFormat || error.status() == Status::kLimit);
      EXPECT_NE(std::string_view(error.what()).find(path), std::string_view::npos);
    }
  }
}

TEST_F(GgufMalformed, ShrinksAfterOpening) {
  const std::string path =
      dir_.Write("w.gguf", W().Tensor("w", W::kTensorI8, {64}, std::string(64, 'w')).Build());
  const Gguf gguf = OpenGguf(path);
  std::filesystem::resize_file(path, 70);
  char out[64];
  ExpectError(Status::kIo, {path, "ends at byte 70"}, [&] {
    gguf.tensors.Read(*gguf.tensors.Find("w"), 0, std::as_writable_bytes(std::span(out)));
  });
}

TEST_F(GgufMalformed, MissingFolderPipe) {
  ExpectError(Status::kNotFound, {dir_.Path("nowhere.gguf")},
              [&] { OpenGguf(dir_.Path("nowhere.gguf")); });
  ExpectError(Status::kPath, {"is a directory"}, [&] { OpenGguf(dir_.path()); });
}

// Whatever bytes change, the file opens or is refused: nothing else.
TEST_F(GgufMalformed, RandomBytes) {
  const std::string file = W().U32("n", 7)
                               .Alignment(8)
                               .String("s", "text")
                               .Strings("t", {"a", "bb"})
                               .Numbers<uint64_t>("u", W::kU64, {1, 2})
                               .Bool("b", true)
                               .Tensor("a", W::kTensorF16, {2, 2}, "aaaaaaaa")
                               .Tensor("q", W::kTensorQ4_0, {1, 32}, std::string(18, 'q'))
                               .Build();
  constexpr uint8_t kEdges[] = {0, 1, 2, 0x7F, 0x80, 0xFF};
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string changed = file;
    for (uint32_t n = 1 + random() % 3; n > 0; --n) {
      changed[random() % changed.size()] =
          static_cast<char>(random() % 2 == 0 ? random() : kEdges[random() % std::size(kEdges)]);
    }
    try {
      OpenGguf(dir_.Write("random.gguf", changed));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 2'000);
}

}  // namespace
}  // namespace inference
