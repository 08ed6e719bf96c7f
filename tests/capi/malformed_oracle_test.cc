// The oracle of malformed checkpoints sees what it looks for.
#include <fcntl.h>

#include <vector>

#include "capi/malformed.h"

namespace inference::capi_test {
namespace {

void Touch(std::vector<char>& memory) {
  for (size_t i = 0; i < memory.size(); i += 4096) {
    *static_cast<volatile char*>(&memory[i]) = 1;
  }
}

TEST(MalformedOracle, SeesMemoryThatCameAndWentInEachCase) {
  if (!kMemoryIsTold) GTEST_SKIP() << "a sanitizer has memory of its own";
  for (const size_t mib : {200, 100}) {  // the second below the first
    const PeakMemory memory;
    {
      std::vector<char> much(mib << 20);
      Touch(much);
    }
    EXPECT_GE(memory.GrownKib(), (mib - 10) << 10);
    EXPECT_LE(memory.GrownKib(), (mib + 50) << 10);
  }
}

TEST(MalformedOracle, SeesOutput) {
  const OutputCapture output;
  EXPECT_EQ(output.bytes(), 0u);
  std::fputs("a", stderr);
  EXPECT_EQ(output.bytes(), 1u);
  std::fputs("bc", stdout);
  std::fflush(stdout);
  EXPECT_EQ(output.bytes(), 3u);
}

TEST(MalformedOracle, SeesDescriptorsThreadsAndDeviceMemory) {
  const Footprint before = Footprint::Now();
  EXPECT_EQ(Footprint::Now(), before);
  const int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(Footprint::Now().descriptors, before.descriptors + 1);
  close(descriptor);
  std::thread thread([&] { EXPECT_EQ(Footprint::Now().threads, before.threads + 1); });
  thread.join();
  {
    const Model model = LoadModel(kTinyModel);
    EXPECT_GT(Footprint::Now().live_bytes, before.live_bytes);
  }
  before.ExpectAgain();
}

}  // namespace
}  // namespace inference::capi_test
