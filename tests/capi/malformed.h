// The oracle of every malformed checkpoint: refused with the right status and a text that says what
// and where, and nothing else changes in the process.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <thread>

#include "capi/api.h"
#include "support/peak_memory.h"
#include "support/temp_dir.h"

namespace inference::capi_test {

// What is written to stdout and stderr while it lives.
class OutputCapture {
 public:
  OutputCapture() : text_(memfd_create("output", 0)), out_(dup(1)), err_(dup(2)) {
    std::fflush(nullptr);
    dup2(text_, 1);
    dup2(text_, 2);
  }
  OutputCapture(const OutputCapture&) = delete;
  OutputCapture& operator=(const OutputCapture&) = delete;
  ~OutputCapture() {
    std::fflush(nullptr);
    dup2(out_, 1);
    dup2(err_, 2);
    for (const int fd : {text_, out_, err_}) close(fd);
  }
  size_t bytes() const { return static_cast<size_t>(lseek(text_, 0, SEEK_END)); }

 private:
  int text_, out_, err_;
};

// What a call that fails must leave as it was.
struct Footprint {
  ptrdiff_t descriptors = 0, threads = 0;
  uint64_t live_bytes = 0;  // of device memory
  bool operator==(const Footprint&) const = default;

  static Footprint Now() {
    SharedModel();  // what the first load of a process keeps is there
    const auto count = [](const char* folder) {
      return std::distance(std::filesystem::directory_iterator(folder),
                           std::filesystem::directory_iterator());
    };
    auto memory = Sized<inf_memory_desc>();
    EXPECT_OK(inf_memory_info(SharedRuntime(), 0, &memory, &err));
    return {count("/proc/self/fd"), count("/proc/self/task"), memory.active_bytes};
  }

  // A thread that was joined is listed for a moment more.
  void ExpectAgain() const {
    Footprint now = Now();
    for (int i = 0; i < 1000 && now != *this; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      now = Now();
    }
    EXPECT_EQ(now.descriptors, descriptors);
    EXPECT_EQ(now.threads, threads);
    EXPECT_EQ(now.live_bytes, live_bytes);
  }
};

// Loads `path`, which must fail with `status` and a text with all `parts`; memory may grow by what
// a header of `header_mib` takes, and no more.
inline void ExpectRefused(const std::string& path, inf_status status,
                          std::initializer_list<std::string_view> parts,
                          const inf_config* config = nullptr, uint64_t header_mib = 0) {
  SharedModel();  // what the first load of a process keeps is there
  inf_model* const untouched = reinterpret_cast<inf_model*>(uintptr_t{0x5A5A});
  inf_model* out = untouched;
  Err error;
  size_t printed = 0;
  inf_status got = INF_OK;
  const Footprint before = Footprint::Now();
  const PeakMemory memory;
  {
    const OutputCapture output;
    got = inf_model_load(SharedRuntime(), path.data(), path.size(), config, nullptr, nullptr,
                         nullptr, &out, &error);
    std::fflush(nullptr);
    printed = output.bytes();
  }
  const std::string text(error.text());
  EXPECT_STREQ(inf_status_name(got), inf_status_name(status)) << text;
  EXPECT_EQ(error.status, got);
  EXPECT_EQ(out, untouched);
  if (got == INF_OK && out != untouched) inf_model_free(out);
  EXPECT_EQ(printed, 0u) << "something was printed";
  for (const std::string_view part : parts) EXPECT_THAT(text, testing::HasSubstr(part));
  before.ExpectAgain();
  if (kMemoryIsTold) {
    EXPECT_LE(memory.GrownKib(), (64 + header_mib) << 10);
  }
}

// Each test ends with a good model that loads and gives the text it must, in the same process.
class Malformed : public testing::Test {
 protected:
  void TearDown() override { ExpectWorks(NewSession(0, LoadModel(kTinyModel).get()).get()); }

  // A copy of the good model to break.
  std::string FreshModel() {
    const std::string model = dir_.Path("model");
    std::filesystem::remove_all(model);
    std::filesystem::copy(kTinyModel, model, std::filesystem::copy_options::recursive);
    return model;
  }

  TempDir dir_;
};

}  // namespace inference::capi_test
