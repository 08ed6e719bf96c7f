#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "device/device_fixture.h"
#include "device/program_files.h"

namespace inference {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr char kSource[] =
    "__kernel void put(__global int* y, const int a) { y[get_global_id(0)] = a + N; }";

class ProgramCacheTest : public DeviceTest {
 protected:
  // Opens a device, runs the kernel and closes it; gives what was logged.
  std::string Process(size_t local = 1) {
    const LogRecord log;
    DeviceOptions options;
    options.cache_dir = folder_.path();
    const auto device = Device::Open(DefaultDeviceInfo(), options, log.logger());
    const Buffer out = device->Allocate(sizeof(int32_t) * local);
    device->Run([&] {
      Kernel kernel = device->GetKernelFromSource("put", kSource, "-D N=2");
      kernel.SetArgs(out, int32_t{40});
      device->Enqueue(kernel, {local, local});
    });
    EXPECT_EQ(ReadAll<int32_t>(*device, out), std::vector<int32_t>(local, 42));
    device->Run([&] { device->SaveKernels(); });
    return log.text();
  }

  std::vector<std::filesystem::path> Files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/kernels")) {
      files.push_back(entry.path());
    }
    return files;
  }
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteFile(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

TEST_F(ProgramCacheTest, AProgramIsBuiltOnceInAProcess) {
  const auto device = Open();
  device->Run([&] {
    for (int i = 0; i < 3; ++i) device->GetKernelFromSource("put", kSource, "-D N=1");
    device->GetKernelFromSource("put", kSource, "-D N=3");
    for (int i = 0; i < 2; ++i) device->GetKernel("read_bandwidth", {"read_bandwidth"}, "");
  });
  const std::string log = log_.text();
  size_t built = 0;
  for (size_t at = log.find("built program"); at != std::string::npos;
       at = log.find("built program", at + 1)) {
    ++built;
  }
  EXPECT_EQ(built, 3U) << log;
}

TEST_F(ProgramCacheTest, ALaterProcessLoadsIt) {
  EXPECT_THAT(Process(), AllOf(HasSubstr("built program put (-w -cl-std=CL1.2 -D N=2) in"),
                               HasSubstr("kept program put")));
  ASSERT_EQ(Files().size(), 1U);
  EXPECT_THAT(Process(), AllOf(HasSubstr("loaded program put"), Not(HasSubstr("built")),
                               Not(HasSubstr("kept"))));
  EXPECT_THAT(Process(4), AllOf(HasSubstr("loaded program put"), HasSubstr("kept program put")))
      << "a new work-group size is compiled, and kept";
  EXPECT_THAT(Process(4), Not(HasSubstr("kept")));
  EXPECT_THAT(Process(1), Not(HasSubstr("kept")));
  EXPECT_EQ(Files().size(), 1U);
}

TEST_F(ProgramCacheTest, ADamagedFileIsBuiltAgain) {
  Process();
  const std::filesystem::path path = Files().at(0);
  const std::string good = ReadFile(path);
  std::vector<std::string> damaged = {"",
                                      "INF",
                                      good.substr(0, 47),
                                      good.substr(0, 48),
                                      good.substr(0, good.size() / 2),
                                      good.substr(0, good.size() - 1),
                                      good + "x",
                                      std::string(good.size(), '\0')};
  for (const size_t at : {size_t{0}, size_t{8}, size_t{16}, size_t{23}, size_t{31}, size_t{39},
                          size_t{40}, size_t{50}, good.size() / 2, good.size() - 1}) {
    damaged.push_back(good);
    damaged.back()[at] = static_cast<char>(damaged.back()[at] ^ 0x81);
  }
  for (const std::string& content : damaged) {
    WriteFile(path, content);
    EXPECT_THAT(Process(), AllOf(HasSubstr("ignored, its"), HasSubstr("built program put"),
                                 HasSubstr("kept program put")));
    EXPECT_THAT(Process(), AllOf(HasSubstr("loaded program put"), Not(HasSubstr("ignored"))));
  }
}

TEST_F(ProgramCacheTest, AFileForAnotherKeyIsNotBelieved) {
  const ProgramFiles files(folder_.path());
  const Logger logger;
  files.Save("key a", {"launches", {std::byte{1}, std::byte{2}}});
  const auto entry = files.Load("key a", logger);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->launches, "launches");
  EXPECT_EQ(entry->binary, (std::vector<std::byte>{std::byte{1}, std::byte{2}}));
  EXPECT_FALSE(files.Load("key b", logger));
  std::filesystem::copy_file(files.PathOf("key a"), files.PathOf("key b"));
  EXPECT_FALSE(files.Load("key b", log_.logger() ? *log_.logger() : logger));
  EXPECT_THAT(log_.text(), HasSubstr("ignored, its key is not as expected"));
  std::filesystem::create_directory(files.PathOf("key c"));
  EXPECT_FALSE(files.Load("key c", logger));
}

TEST_F(ProgramCacheTest, ABinaryThatTheDriverRefusesIsBuiltAgain) {
  const DeviceInfo info = DefaultDeviceInfo();
  const std::string key =
      fmt::format("{}\n{}\n-w -cl-std=CL1.2 -D N=2\n{}", info.name, info.driver, kSource);
  ProgramFiles(folder_.path()).Save(key, {"", std::vector<std::byte>(1000, std::byte{'x'})});
  EXPECT_THAT(Process(),
              AllOf(HasSubstr("ignored, the driver answered"), HasSubstr("built program put")));
  EXPECT_THAT(Process(), HasSubstr("loaded program put"));
}

TEST_F(ProgramCacheTest, AFolderThatTheCallerNamedMustBeUsable) {
  const std::string file = folder_.path() + "/file";
  WriteFile(file, "");
  const std::string linked = folder_.path() + "/linked";
  std::filesystem::create_directories(linked);
  std::filesystem::create_directory_symlink(folder_.path(), linked + "/kernels");
  const std::string open = folder_.path() + "/open";
  std::filesystem::create_directories(open + "/kernels");
  ::chmod((open + "/kernels").c_str(), 0777);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {file + "/below", "Not a directory"},
      {"/proc/none", "No such file or directory"},
      {linked, "is a symbolic link"},
      {open, "others can write to it"},
  };
  for (const auto& [cache_dir, why] : cases) {
    DeviceOptions options;
    options.cache_dir = cache_dir;
    options.cache_dir_required = true;
    const Error error = ErrorOf([&] { Open(options); });
    EXPECT_EQ(error.status(), Status::kIo);
    EXPECT_EQ(error.what(),
              fmt::format("{}/kernels: cannot be used as the kernel cache: {}", cache_dir, why));
    options.cache_dir_required = false;
    const auto device = Open(options);
    EXPECT_THAT(log_.text(), HasSubstr(fmt::format("kernels are not kept: {}", error.what())));
    device->Run([&] { device->GetKernelFromSource("put", kSource, "-D N=1"); });
  }
}

TEST(DefaultCacheDirectory, FollowsTheUsersEnvironment) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto print = [](const char* xdg, const char* home) {
    xdg != nullptr ? ::setenv("XDG_CACHE_HOME", xdg, 1) : ::unsetenv("XDG_CACHE_HOME");
    home != nullptr ? ::setenv("HOME", home, 1) : ::unsetenv("HOME");
    std::cerr << DefaultCacheDirectory() << std::endl;
    std::_Exit(0);
  };
  EXPECT_EXIT(print("/xdg", "/home"), testing::ExitedWithCode(0), "^/xdg/libinference\n$");
  EXPECT_EXIT(print("relative", "/home"), testing::ExitedWithCode(0),
              "^/home/.cache/libinference\n$");
  EXPECT_EXIT(print(nullptr, nullptr), testing::ExitedWithCode(0), "^/.*/.cache/libinference\n$");
}

TEST_F(ProgramCacheTest, AFolderThatVanishesCostsOnlyTheFiles) {
  {
    const auto device = Open();
    device->Run([&] {
      Kernel kernel = device->GetKernelFromSource("put", kSource, "-D N=1");
      kernel.SetArgs(device->Allocate(4), int32_t{1});
      device->Enqueue(kernel, {1, 1});
    });
    std::filesystem::remove_all(folder_.path());
  }
  EXPECT_THAT(log_.text(), HasSubstr("program put not kept: "));
}

}  // namespace
}  // namespace inference
