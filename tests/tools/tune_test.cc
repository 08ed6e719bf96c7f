// inference tune.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/temp_dir.h"
#include "tools/program.h"

namespace inference::tools_test {
namespace {

using ::testing::HasSubstr;

// The user's cache folder is a temporary one. PoCL's own stays where it is: it would compile all
// anew.
class TuneCommand : public testing::Test {
 protected:
  void SetUp() override {
    const char* pocl = std::getenv("POCL_CACHE_DIR");
    const char* home = std::getenv("HOME");
    const char* xdg = std::getenv("XDG_CACHE_HOME");
    if (pocl != nullptr) old_pocl_ = pocl;
    if (xdg != nullptr) old_xdg_ = xdg;
    const std::string cache = xdg != nullptr ? xdg : std::string(home ? home : "/tmp") + "/.cache";
    if (pocl == nullptr) setenv("POCL_CACHE_DIR", (cache + "/pocl/kcache").c_str(), 1);
    setenv("XDG_CACHE_HOME", dir_.path().c_str(), 1);
  }
  void TearDown() override {
    old_pocl_.empty() ? unsetenv("POCL_CACHE_DIR") : setenv("POCL_CACHE_DIR", old_pocl_.c_str(), 1);
    old_xdg_.empty() ? unsetenv("XDG_CACHE_HOME") : setenv("XDG_CACHE_HOME", old_xdg_.c_str(), 1);
  }

  TempDir dir_;
  std::string old_pocl_, old_xdg_;
};

TEST_F(TuneCommand, ShowsWhatIsStoredAndForgetsIt) {
  const Outcome none = Inference({"tune", "--show", "--json"});
  ASSERT_EQ(none.exit_code, 0) << none.err;
  const std::string path = none.last().at("path");
  EXPECT_THAT(path, HasSubstr(dir_.path() + "/libinference/tuning/"));
  EXPECT_EQ(none.last().at("stored"), false);
  EXPECT_THAT(Inference({"tune", "--show"}).out, HasSubstr("  not tuned: "));

  Json table = none.last();
  table.erase("path");
  table.erase("stored");
  table["parts_per_compute_unit"] = 3;
  table["matmul"] = Json::array({{{"weights", "blocks"},
                                  {"rows_up_to", 64},
                                  {"tokens_up_to", 1},
                                  {"kernel", "matvec_group"},
                                  {"lanes", 4}}});
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  dir_.Write(std::filesystem::relative(path, dir_.path()).string(), table.dump());
  const Outcome people = Inference({"tune", "--show"});
  EXPECT_THAT(people.out, HasSubstr("  parts a compute unit: 3\n"));
  EXPECT_THAT(people.out, HasSubstr("  blocks weights, up to 64 rows and 1 tokens: matvec_group "
                                    "lanes 4\n"));
  EXPECT_EQ(Inference({"tune", "--show", "--json"}).last().at("matmul"), table.at("matmul"));

  dir_.Write(std::filesystem::relative(path, dir_.path()).string(), "{");
  const Outcome broken = Inference({"tune", "--show", "--verbose"});
  EXPECT_EQ(broken.exit_code, 0);
  EXPECT_THAT(broken.err, HasSubstr("ignored: " + path));
  EXPECT_THAT(broken.out, HasSubstr("  not tuned: "));

  EXPECT_EQ(Inference({"tune", "--reset"}).exit_code, 0);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(TuneCommand, Errors) {
  const Outcome both = Inference({"tune", "--show", "--reset"});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--show and --reset exclude each other"));
  for (const char* wish : {"999", "no such device"}) {
    const Outcome outcome = Inference({"tune", "--show", "--device", wish});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.err, HasSubstr(std::string("inference: DEVICE: --device: no device is '") +
                                       wish + "', expected an index below "));
  }
  EXPECT_EQ(Inference({"tune", "--show", "--device", "0"}).exit_code, 0);
}

}  // namespace
}  // namespace inference::tools_test
