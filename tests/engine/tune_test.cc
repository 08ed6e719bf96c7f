// Tuning: what is measured is used, kept and read back; a file with anything unexpected in it is
// not.
#include "engine/tune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <span>

#include "engine/runtime.h"
#include "engine/tuning_file.h"
#include "support/expect_error.h"
#include "support/not_root.h"
#include "support/temp_dir.h"
#include "support/test_device.h"
#include "util/error.h"
#include "util/file.h"

namespace inference {
namespace {

using ::testing::HasSubstr;

Tuning SomeTuning() {
  return {
      .parts_per_compute_unit = 3,
      .matmul = {{true, 100, 1, {.kernel = MatmulKernel::kLanes, .lanes = 4}},
                 {true, 100, 64, {}},
                 {false,
                  1000,
                  64,
                  {.kernel = MatmulKernel::kTiles, .rows = 64, .tokens = 32, .item_tokens = 4}}}};
}

class TuningFileTest : public testing::Test {
 protected:
  const DeviceInfo& info() const { return TestDevice()->info(); }
  std::string path() const { return TuningPath(dir_.path(), info()); }
  std::optional<Tuning> Load() { return LoadTuning(dir_.path(), info(), logger_); }

  // Writes `text` in place of the file, and expects that it is ignored, with `why` in the log.
  void ExpectIgnored(const std::string& text, const std::string& why) {
    SaveTuning(dir_.path(), info(), SomeTuning());
    WriteFileAtomically(path(), std::as_bytes(std::span(text)));
    log_.clear();
    EXPECT_FALSE(Load().has_value()) << why;
    EXPECT_THAT(log_, HasSubstr("ignored: " + path() + ": " + why));
  }
  void ExpectIgnoredWith(const std::string& from, const std::string& to, const std::string& why) {
    std::string text = TuningJson(info(), SomeTuning());
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    ExpectIgnored(text.replace(at, from.size(), to), why);
  }

  TempDir dir_;
  std::string log_;
  Logger logger_{[this](LogLevel, std::string_view, std::string_view text) { log_ += text; }};
};

TEST_F(TuningFileTest, IsReadBackAndRemoved) {
  EXPECT_FALSE(Load().has_value());
  SaveTuning(dir_.path(), info(), SomeTuning());
  EXPECT_EQ(Load(), SomeTuning());
  DeviceInfo other = info();
  other.driver += " newer";
  EXPECT_FALSE(LoadTuning(dir_.path(), other, logger_).has_value());
  RemoveTuning(dir_.path(), info());
  RemoveTuning(dir_.path(), info());
  EXPECT_FALSE(Load().has_value());
  EXPECT_EQ(log_, "");
}

TEST_F(TuningFileTest, AnyDoubtCountsAsAbsent) {
  ExpectIgnored("", "line 1, column 1: syntax error");
  ExpectIgnored("[]", "is an array, expected an object");
  ExpectIgnored("{\"format\": 1,", "line 1, column 14: syntax error");
  ExpectIgnored(std::string((1 << 20) + 1, ' '), "has 1048577 bytes, at most 1048576 are read");
  ExpectIgnoredWith("\"format\": 1", "\"format\": 2", "format: is 2");
  ExpectIgnoredWith("\"library\": \"", "\"library\": \"9", "library: is ");
  ExpectIgnoredWith("\"driver\": \"", "\"driver\": \"x", "driver: is ");
  ExpectIgnoredWith("\"device\": \"", "\"device\": \"x", "device: is ");
  ExpectIgnoredWith("compute_unit\": 3", "compute_unit\": 0", "parts_per_compute_unit: is 0");
  ExpectIgnoredWith("compute_unit\": 3", "compute_unit\": 5", "parts_per_compute_unit: is 5");
  ExpectIgnoredWith("\"matmul\"", "\"matmol\"", "matmul: is absent");
  ExpectIgnoredWith("\"blocks\"", "\"bricks\"", "matmul[0]: weights: is 'bricks'");
  ExpectIgnoredWith("matvec_group", "rm -rf", "matmul[0]: kernel: is 'rm -rf'");
  ExpectIgnoredWith("\"lanes\": 4", "\"lanes\": 5",
                    "matmul[0]: no matvec_group for blocks weights has these sizes");
  ExpectIgnoredWith("\"rows\": 64", "\"rows\": 63", "matmul[2]: no matmul_group for plain");
  ExpectIgnoredWith("\"tokens_up_to\": 64", "\"tokens_up_to\": -1", "matmul[1]: tokens_up_to");
}

TEST_F(TuningFileTest, AFolderThatCannotBeWrittenIsNamed) {
  dir_.Write("file", "");
  const std::string in_file = dir_.Path("file") + "/tuning";
  ExpectError(Status::kIo, {in_file + ": cannot be made: Not a directory"},
              [&] { SaveTuning(dir_.Path("file"), info(), SomeTuning()); });
  SaveTuning(dir_.path(), info(), SomeTuning());
  namespace fs = std::filesystem;
  const std::string folder = fs::path(path()).parent_path();
  fs::permissions(dir_.path(), fs::perms(0755));
  fs::permissions(folder, fs::perms(0555));
  {
    const NotRoot not_root;
    ExpectError(Status::kIo, {folder + ": cannot be written to: Permission denied"},
                [&] { SaveTuning(dir_.path(), info(), {}); });
    ExpectError(Status::kIo, {path() + ": cannot be removed: Permission denied"},
                [&] { RemoveTuning(dir_.path(), info()); });
  }
  fs::permissions(folder, fs::perms(0755));
  EXPECT_EQ(Load(), SomeTuning()) << "what was stored stays";
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
}

TEST_F(TuningFileTest, AFileThatCannotBeReadCountsAsAbsent) {
  SaveTuning(dir_.path(), info(), SomeTuning());
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(path(), std::filesystem::perms(0));
  const NotRoot not_root;
  EXPECT_FALSE(Load().has_value());
  EXPECT_THAT(log_, HasSubstr("ignored: " + path() + ": "));
}

TEST_F(TuningFileTest, ARuntimeUsesWhatIsStored) {
  Runtime first({.cache_dir = dir_.path()}, std::make_shared<Logger>());
  const size_t index = first.FindDevice("");
  SaveTuning(dir_.path(), first.device(index), SomeTuning());
  EXPECT_EQ(first.OpenDevice(index)->tuning(), SomeTuning());
  EXPECT_THAT(first.DescribeTuning(index), HasSubstr("\"stored\":true"));
  first.ResetTuning(index);
  EXPECT_EQ(first.OpenDevice(index)->tuning(), Tuning{});
  EXPECT_THAT(first.DescribeTuning(index), HasSubstr("\"stored\":false"));
}

TEST_F(TuningFileTest, ARuntimeMeasuresAndKeepsWhatItFound) {
  const TuneSizes sizes{.rows = {32}, .tokens = {1, 9}, .cols = 64, .runs = 1};
  Runtime runtime({.cache_dir = dir_.path()}, std::make_shared<Logger>());
  const size_t index = runtime.FindDevice("");
  runtime.TuneDevice(index, sizes);
  const std::optional<Tuning> stored = Load();
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(runtime.OpenDevice(index)->tuning(), *stored);
  EXPECT_THAT(runtime.DescribeTuning(index), HasSubstr("\"stored\":true"));
  runtime.ResetTuning(index);
  std::filesystem::remove_all(dir_.Path("tuning"));
  dir_.Write("tuning", "not a folder");
  ExpectError(Status::kIo, {dir_.Path("tuning") + ": cannot be"},
              [&] { runtime.TuneDevice(index, sizes); });
  EXPECT_EQ(runtime.OpenDevice(index)->tuning(), Tuning{});
}

TEST(TuningTest, TheFirstRuleThatHoldsCountsAndMustFit) {
  const Tuning tuning = SomeTuning();
  DeviceInfo info;
  info.max_group_size = 256;
  info.local_memory_bytes = 32768;
  const auto kernel = [&](bool blocks, int64_t rows, int64_t tokens) {
    return tuning.ForMatmul(info, blocks, rows, tokens).kernel;
  };
  EXPECT_EQ(kernel(true, 100, 1), MatmulKernel::kLanes);
  EXPECT_EQ(kernel(true, 100, 2), MatmulKernel::kEach);
  EXPECT_EQ(kernel(true, 101, 64), MatmulKernel::kTiles) << "no rule: the default";
  EXPECT_EQ(kernel(false, 1000, 2), MatmulKernel::kTiles);
  info.local_memory_bytes = 1024;
  EXPECT_EQ(kernel(false, 1000, 2), MatmulKernel::kEach) << "its tile does not fit";
}

// A small run of all that is measured; what it finds can be used.
TEST(TuneTest, FindsValidChoicesForEverySize) {
  const TuneSizes sizes{.rows = {32, 64}, .tokens = {1, 9}, .cols = 64, .runs = 1};
  std::string log;
  const Logger logger([&](LogLevel, std::string_view, std::string_view text) { log += text; });
  const Tuning gpu = Tune(TestDevice(), KernelFamily::kGpu, logger, sizes);
  EXPECT_EQ(log, "");
  ASSERT_EQ(gpu.matmul.size(), 8u);
  for (const MatmulRule& rule : gpu.matmul) {
    EXPECT_TRUE(rule.choice.IsValid(rule.blocks)) << NameOf(rule.choice);
    EXPECT_TRUE(rule.choice.FitsDevice(TestDevice()->info()));
  }
  EXPECT_EQ(gpu.matmul[0].rows_up_to, 32);
  EXPECT_EQ(gpu.matmul[0].tokens_up_to, 1);
  EXPECT_GT(gpu.matmul[3].rows_up_to, 1 << 30);
  EXPECT_GT(gpu.matmul[3].tokens_up_to, 1 << 30);
  EXPECT_EQ(gpu.parts_per_compute_unit, Tuning{}.parts_per_compute_unit);
  const Tuning cpu = Tune(TestDevice(), KernelFamily::kCpu, logger, sizes);
  EXPECT_TRUE(cpu.matmul.empty());
  EXPECT_GE(cpu.parts_per_compute_unit, 1);
  EXPECT_EQ(TestDevice()->tuning(), Tuning{});
}

// As on a device whose driver refuses a kernel: there is no kernel of such sizes.
TEST(TuneTest, ACandidateThatCannotBeBuiltIsLeftOut) {
  const MatmulChoice impossible{
      .kernel = MatmulKernel::kTiles, .rows = 48, .tokens = 16, .item_tokens = 4};
  std::string log;
  const Logger logger([&](LogLevel, std::string_view, std::string_view text) { log += text; });
  const Tuning tuning =
      Tune(TestDevice(), KernelFamily::kGpu, logger,
           {.rows = {32}, .tokens = {1}, .cols = 64, .runs = 1, .besides = {impossible}});
  EXPECT_THAT(log, HasSubstr("matmul_group 48x16, 4 tokens an item left out: "));
  EXPECT_THAT(log, HasSubstr("do not make GROUP"));
  ASSERT_EQ(tuning.matmul.size(), 2u);
  for (const MatmulRule& rule : tuning.matmul) EXPECT_TRUE(rule.choice.IsValid(rule.blocks));
  EXPECT_EQ(TestDevice()->tuning(), Tuning{});
}

}  // namespace
}  // namespace inference
