// inference quantize.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "support/temp_dir.h"
#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

TEST(Quantize, WritesAFolderThatLoads) {
  const TempDir dir;
  const std::string out = dir.Path("m");
  const Outcome outcome =
      Inference({"quantize", "--model", TinyModel(), "--bits", "8", "--group", "32", "--out", out});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, out + ": 8 bits, groups of 32\n");
  const Json info = Inference({"info", "--json", "--model", out}).last();
  EXPECT_EQ(info.at("quant_bits"), 8) << info;
  EXPECT_EQ(info.at("quant_group"), 32);
}

TEST(Quantize, SaysWhatIsWrong) {
  const TempDir dir;
  EXPECT_EQ(Inference({"quantize", "--model", TinyModel()}).exit_code, 2);
  EXPECT_EQ(Inference({"quantize", "--model", TinyModel(), "--bits", "7", "--out", dir.Path("m")})
                .exit_code,
            2);
  dir.Write("file", "x");
  const Outcome taken = Inference({"quantize", "--model", TinyModel(), "--out", dir.path()});
  EXPECT_EQ(taken.exit_code, 1);
  EXPECT_THAT(taken.err, HasSubstr("inference: STATE: " + dir.path() + ": exists"));
  const Outcome absent = Inference({"quantize", "--model", "/no/such", "--out", dir.Path("m")});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.err, HasSubstr("inference: NOT_FOUND: /no/such: is not a folder"));
  EXPECT_FALSE(std::filesystem::exists(dir.Path("m")));
}

}  // namespace
}  // namespace inference::tools_test
