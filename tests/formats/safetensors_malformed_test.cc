// Files that change, are cut off, or are noise; each rule of the format is tested through the C
// API: tests/capi/malformed_safetensors_test.cc.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "formats/safetensors.h"
#include "support/expect_error.h"
#include "support/safetensors_writer.h"
#include "support/temp_dir.h"

namespace inference {
namespace {

constexpr char kFileName[] = "bad.safetensors";

class SafetensorsMalformed : public testing::Test {
 protected:
  void ExpectBadFile(std::string_view content, std::initializer_list<std::string_view> parts,
                     Status status = Status::kFormat) {
    const std::string path = dir_.Write(kFileName, content);
    ExpectError(status, {path}, [&] { OpenSafetensors(path); });
    ExpectError(status, parts, [&] { OpenSafetensors(path); });
  }

  TempDir dir_;
};

TEST_F(SafetensorsMalformed, EveryTruncation) {
  const std::string file = SafetensorsFile(
      R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"U8","shape":[3],"data_offsets":[4,7]}})",
      "aaaabbb");
  EXPECT_EQ(OpenSafetensors(dir_.Write(kFileName, file)).entries().size(), 2u);
  for (size_t bytes = 0; bytes < file.size(); ++bytes) {
    ExpectBadFile(file.substr(0, bytes), {kFileName});
  }
}

TEST_F(SafetensorsMalformed, ShrinksAfterOpening) {
  const std::string path = dir_.Write(
      kFileName,
      SafetensorsFile(R"({"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "data"));
  const TensorSet set = OpenSafetensors(path);
  std::filesystem::resize_file(path, 63);
  char out[4];
  ExpectError(Status::kIo, {path, "ends at byte 63, expected 4 bytes at 61"},
              [&] { set.Read(*set.Find("w"), 0, std::as_writable_bytes(std::span(out))); });
}

// Whatever bytes change, the file opens or is refused: nothing else.
TEST_F(SafetensorsMalformed, RandomBytes) {
  const std::string file =
      SafetensorsFile(R"({"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},)"
                      R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}})",
                      "aaaabbbb");
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 3'000; ++i) {
    std::string changed = file;
    for (uint32_t n = 1 + random() % 3; n > 0; --n) {
      changed[random() % changed.size()] =
          random() % 2 == 0 ? static_cast<char>(random()) : "0123456789[]{}\",:-"[random() % 18];
    }
    try {
      OpenSafetensors(dir_.Write(kFileName, changed));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace inference
